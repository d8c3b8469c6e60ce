"""Forecasts: what is to come of traffic, rewards, spend and learning."""
