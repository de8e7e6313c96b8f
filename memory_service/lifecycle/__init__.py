"""Workflows over memories: load, decide, apply, in one transaction."""
