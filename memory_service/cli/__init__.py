"""Command line of the memory service; it speaks to the service over HTTP only."""
