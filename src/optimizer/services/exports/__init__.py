"""Exports: the ledger as a history, as tables, as Parquet by day, and whole."""
