"""A LangGraph store over the memory service."""

from memory_langgraph.errors import InvalidKey, ItemRejected, NamespaceTooLong
from memory_langgraph.store import MemoryServiceStore

__all__ = ["InvalidKey", "ItemRejected", "MemoryServiceStore", "NamespaceTooLong"]
