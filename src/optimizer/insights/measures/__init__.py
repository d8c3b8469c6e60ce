"""Measures: what a campaign and the strategy earn, from sums the ledger keeps or works out."""
