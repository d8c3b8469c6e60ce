"""Proposing: what the ledger knows becomes proposals, which people accept or reject."""
