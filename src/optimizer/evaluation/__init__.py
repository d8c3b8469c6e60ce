"""Judge: off-policy estimators, intervals, diagnostics and verdicts. Pure."""
