"""Routes that speak what others speak: OpenFeature, trackers, CloudEvents, webhooks, and clients of our own."""
