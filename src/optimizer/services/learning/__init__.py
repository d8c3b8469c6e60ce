"""Learning: statistics become snapshots, are watched, and can be folded again."""
