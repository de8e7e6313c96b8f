"""Endpoints that speak what clients of other systems speak; thin translations over the same lifecycle and search."""
