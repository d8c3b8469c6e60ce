"""Use cases: each function is one thing somebody wants done, within a transaction it is given."""
