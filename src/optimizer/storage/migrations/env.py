"""Alembic's entry: `Store.migrate` hands over the connection and the transaction it opened."""

from alembic import context

from optimizer.storage.tables import DecisionRow

# Importing one table registers them all.
context.configure(connection=context.config.attributes["connection"], target_metadata=DecisionRow.metadata)
context.run_migrations()
