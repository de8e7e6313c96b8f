"""What is moved between files and the engine's blocks. No vLLM here."""

from dataclasses import dataclass

from memory_vllm.run_file import Blocks
from memory_vllm.store import Grant, StoredRun


@dataclass(frozen=True, slots=True)
class LoadPart:
    """Blocks that come out of one file.

    Attributes:
        run: where they lie
        hashes: what they are
        block_ids: where in the engine they go, one for each hash
    """

    run: StoredRun
    hashes: tuple[str, ...]
    block_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """What one request waits for."""

    request_id: str
    grant: Grant
    parts: tuple[LoadPart, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """What one request has computed by the end of this step."""

    grant: Grant
    blocks: Blocks
    block_ids: tuple[int, ...]
