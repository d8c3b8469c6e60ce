"""What the benchmarks of the service share: two cores, two databases, a shop that serves, and bare limits."""
