"""The calls of the service, in groups; each is defined once."""
