"""Measures: what campaigns and the strategy earn beyond control."""
