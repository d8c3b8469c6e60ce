"""Notices: what others are told of, and how it reaches them."""
