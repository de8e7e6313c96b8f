"""What the scheduler tells the worker about one step."""

from dataclasses import dataclass, field

from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorMetadata

from memory_vllm.transfers import Load, Save


@dataclass
class MemoryConnectorMetadata(KVConnectorMetadata):
    """All that is to be loaded and saved around one step."""

    loads: list[Load] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
