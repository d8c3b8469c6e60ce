"""What people write: YAML text to frozen documents, findings, variants and segment rules."""
