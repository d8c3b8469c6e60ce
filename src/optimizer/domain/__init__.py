"""The nouns: plain frozen values that every room above speaks of."""
