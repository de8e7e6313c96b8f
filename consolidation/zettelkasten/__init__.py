"""Notes, the links between them, and how both evolve."""
