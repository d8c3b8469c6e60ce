"""Offline work with what a service knows: decisions and outcomes as frames, tables and figures.

`optimizer.open` gives a `rooms.ReadingRoom`, on a workspace's own ledger or on a running service.
"""
