"""Memories as the key–value caches of a model."""
