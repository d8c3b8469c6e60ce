"""Proposals: what the evidence says people should consider changing."""
