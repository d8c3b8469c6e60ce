"""Forecasts: what a campaign will do, with intervals that have to hold as often as they say."""
