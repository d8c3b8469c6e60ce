"""Historical data in and out: CSV, Parquet, VW dsjson, OBP and the ledger, to and from logged feedback."""
