"""Outcomes: recorded once each; what could not be used waits in quarantine."""
