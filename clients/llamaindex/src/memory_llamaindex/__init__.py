"""A memory block for LlamaIndex over the memory service."""

from memory_llamaindex.block import MemoryServiceBlock

__all__ = ["MemoryServiceBlock"]
