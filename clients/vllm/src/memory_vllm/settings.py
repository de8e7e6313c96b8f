"""What the operator says in `kv_connector_extra_config`, and the keys in the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from memory_vllm.errors import Unsupported
from memory_vllm.folder_store import FolderStore
from memory_vllm.http_store import LOOKUP_S, HttpStore
from memory_vllm.store import Store

KEY_VARIABLE: Final = "MEMORY_SERVICE_API_KEY"
"""Keys with commas between them; not in the configuration, because vLLM writes that to its log."""


@dataclass(frozen=True, slots=True)
class ConnectorSettings:
    """How the connector works.

    Attributes:
        url: address of the memory service
        folder: a folder in place of a service, for development
        save: whether blocks that this engine computes are saved
        threads: how many files are fetched at a time; as many more reckon their digests
        lookup_s: how long a request waits for the service to say what it has
        pending_mb: how much may wait to be sent; what comes on top is not saved
        drain_s: how long a stopping engine waits for what is still to be sent
        prefill_tokens_per_s: how fast this engine computes prompts, by which the service weighs what a block saves

    Raises:
        Unsupported: neither or both of `url` and `folder` are set, or a number is not positive.
    """

    url: str | None = None
    folder: str | None = None
    save: bool = True
    threads: int = 2
    lookup_s: float = LOOKUP_S
    pending_mb: int = 512
    drain_s: float = 10.0
    prefill_tokens_per_s: float | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.folder is None):
            raise Unsupported("kv_connector_extra_config needs either url or folder")
        rate = 1 if self.prefill_tokens_per_s is None else self.prefill_tokens_per_s
        positive = (self.threads, self.lookup_s, self.pending_mb, rate)
        if any(isinstance(one, bool) or not isinstance(one, (int, float)) or not one > 0 for one in positive):
            raise Unsupported("threads, lookup_s, pending_mb and prefill_tokens_per_s are positive numbers")
        if not isinstance(self.drain_s, (int, float)) or not self.drain_s >= 0:
            raise Unsupported("drain_s is a number from 0")

    def store(self) -> Store:
        """Return the store that the settings name."""
        if self.url is not None:
            return HttpStore(self.url, lookup_s=self.lookup_s)
        return FolderStore(Path(str(self.folder)))


def read_settings(said: Mapping[str, Any]) -> ConnectorSettings:
    """Return the settings of `kv_connector_extra_config`.

    Raises:
        Unsupported: a name is none of ours, or a value makes no sense.
    """
    known = {field.name for field in fields(ConnectorSettings)}
    if unknown := sorted(set(said) - known):
        raise Unsupported(
            f"kv_connector_extra_config has no setting {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    return ConnectorSettings(**said)


def api_keys() -> list[str]:
    """Return the keys by which the engine announces itself, one for each tenant that it serves."""
    return [key for part in os.environ.get(KEY_VARIABLE, "").split(",") if (key := part.strip())]
