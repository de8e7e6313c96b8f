"""Answers of the service, as objects."""
