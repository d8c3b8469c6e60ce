"""Recipients: what is known of them, what they agreed to, and how nothing of them stays."""
