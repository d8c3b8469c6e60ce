"""Estimators of a policy's value, one a file. Pure."""
