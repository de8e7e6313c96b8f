"""Memory tools for Pydantic AI over the memory service."""

from memory_pydantic_ai.toolset import memory_toolset

__all__ = ["memory_toolset"]
