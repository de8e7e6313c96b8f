"""Long-term memory for agents: records with provenance, recalled by fused channels, explained."""

__version__ = "0.1.0"
