"""Decisions: made, offered, handed to clients, believed, explained and proved."""
