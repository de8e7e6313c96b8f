"""Background work that turns raw turns into knowledge: pure planning, and the worker that applies it."""
