"""The ledger on disk: the only room that speaks SQL, the same on SQLite and PostgreSQL."""
