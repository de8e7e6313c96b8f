"""What of a cache to keep: one decision, many ways to take it."""
