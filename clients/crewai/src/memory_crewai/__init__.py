"""A storage of CrewAI's memory over the memory service."""

from memory_crewai.errors import NotOurVector, RecordRejected, ScopeTooLong
from memory_crewai.storage import MemoryServiceStorage
from memory_crewai.vectors import carry

__all__ = ["MemoryServiceStorage", "NotOurVector", "RecordRejected", "ScopeTooLong", "carry"]
