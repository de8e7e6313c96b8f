"""The HTTP contract: routes, and what every request passes through."""
