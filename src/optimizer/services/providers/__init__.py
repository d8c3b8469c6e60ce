"""E-mail providers: what proves that one of them sent something, and what it says in our words; one provider a file."""
