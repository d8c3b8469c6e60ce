"""Oversight: what waits for people, what they see of a campaign, and what they decide about it."""
