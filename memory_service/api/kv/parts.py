"""The parts of KV memories that live as long as the process."""

from dataclasses import dataclass

from memory_service.api.kv.uses import KvUses
from memory_service.blobs.protocol import BlobStore
from memory_service.lifecycle.kv_looks import Looks


@dataclass(frozen=True, slots=True)
class KvParts:
    """Where blobs lie, who counts their use, and what signs grants.

    Attributes:
        blobs: the store
        looks: who may read a whole blob, and which were found sound
        uses: counts loads and look-ups
        secret: signs and opens grants
        staging: folder of uploads that are on their way; None for the machine's own
    """

    blobs: BlobStore
    looks: Looks
    uses: KvUses
    secret: bytes
    staging: str | None
