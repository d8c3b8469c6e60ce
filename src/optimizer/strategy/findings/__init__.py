"""Findings: rules that span keys or documents, and what is said about documents that break them."""
