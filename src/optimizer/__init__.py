"""Adaptive campaign optimizer: Thompson sampling inside the limits that marketers write."""

__version__ = "0.1.0"
