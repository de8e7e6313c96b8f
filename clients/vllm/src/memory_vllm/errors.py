"""What can go wrong between an engine and its store.

MemoryKVError
├── Unsupported     this engine runs in a way whose blocks are not kept; it does not start
├── BlobRefused     a file is no cache, is not whole, or belongs to another engine
│   └── Damaged     it is not the file that was stored
├── NotThere        a blob is gone, or a grant does not reach it
└── StoreFailed     the store does not answer, or answers with an error

Nothing of this ends a request: what cannot be loaded is computed, what cannot be saved is counted.
"""


class MemoryKVError(Exception):
    """Something about stored key–value blocks is wrong."""


class Unsupported(MemoryKVError):
    """The engine runs in a way whose blocks cannot be kept."""


class BlobRefused(MemoryKVError):
    """A file is no cache of this engine, or is not whole."""


class Damaged(BlobRefused):
    """A file is not the one that was stored."""


class NotThere(MemoryKVError):
    """A blob is gone: a source of it changed, it was erased, or it expired."""


class StoreFailed(MemoryKVError):
    """The store does not answer, or answers with an error."""
