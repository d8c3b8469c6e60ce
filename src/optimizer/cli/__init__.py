"""Commands for marketers, analysts and whoever runs the service; no logic of their own."""
