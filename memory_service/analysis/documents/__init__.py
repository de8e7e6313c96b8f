"""Documents: read the text out of a file, cut it into chunks with spans, compare it with an earlier version. No I/O."""

from memory_service.analysis.documents.comparison import Comparison, compare
from memory_service.analysis.documents.cutting import Chunk, cut
from memory_service.analysis.documents.extracted import MAX_CHARACTERS, Block, Extracted, Unreadable
from memory_service.analysis.documents.kinds import Kind, decode, kind_of
from memory_service.analysis.documents.reading import read

__all__ = [
    "MAX_CHARACTERS",
    "Block",
    "Chunk",
    "Comparison",
    "Extracted",
    "Kind",
    "Unreadable",
    "compare",
    "cut",
    "decode",
    "kind_of",
    "read",
]
