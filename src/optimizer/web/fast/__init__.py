"""The fast ways of the routes that carry traffic, from the bytes of a request to those of its answer."""
