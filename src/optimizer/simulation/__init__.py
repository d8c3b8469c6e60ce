"""Rehearse: worlds, closed loops in them, and the replay of logs, all with the engine that serves. Pure."""
