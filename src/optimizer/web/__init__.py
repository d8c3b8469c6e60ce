"""HTTP: the app factory, the JSON API, one error shape, keys and limits."""
