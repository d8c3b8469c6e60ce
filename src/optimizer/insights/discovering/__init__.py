"""Segments that the evidence suggests: rules a marketer can read."""
