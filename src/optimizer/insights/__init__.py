"""Measure: what the ledger says, and what it will take until it says something. Pure functions of numbers."""
