"""Keys: who may call, and under which names and seals recipients stand in the ledger."""
