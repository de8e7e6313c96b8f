"""A session of the OpenAI Agents SDK over the memory service."""

from memory_openai_agents.session import ItemsRejected, MemoryServiceSession

__all__ = ["ItemsRejected", "MemoryServiceSession"]
