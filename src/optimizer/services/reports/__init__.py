"""Reports: what campaigns did and learned, for screens, terminals, machines and the weekly review."""
