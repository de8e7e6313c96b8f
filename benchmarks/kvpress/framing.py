"""Arrays over a pipe: eight bytes of length, then numpy's own archive. Both ends use this file; it needs numpy alone."""

import io
import struct
from typing import IO, Any

import numpy as np

MOST_BYTES = 1 << 32


def send(pipe: IO[bytes], arrays: dict[str, Any]) -> None:
    """Write named arrays."""
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    data = packed.getvalue()
    pipe.write(struct.pack("<Q", len(data)) + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> dict[str, Any] | None:
    """Return named arrays; None at the end.

    Raises:
        EOFError: the other end stopped in the middle.
        ValueError: what came is no archive, or too large to be one of ours.
    """
    head = pipe.read(8)
    if not head:
        return None
    size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if size > MOST_BYTES:
        raise ValueError("too large a message")
    data = pipe.read(size)
    if len(head) < 8 or len(data) < size:
        raise EOFError("the other end stopped in the middle of a message")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
