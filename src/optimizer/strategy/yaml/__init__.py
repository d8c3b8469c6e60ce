"""YAML 1.2, read with its places and written again."""
