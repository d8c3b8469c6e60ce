"""The main job end to end: a real service, driven over HTTP by a real history."""
