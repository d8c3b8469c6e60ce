"""The shapes of requests and answers, and the way from the values of the house to JSON."""
