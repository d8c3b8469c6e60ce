"""The weekly review: what changed, what was learned, what was done by itself, and what is asked, in words."""
