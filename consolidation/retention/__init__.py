"""How memories fade, what a policy does about it, and what it would do."""
