"""Which model, run how, a block belongs to: a copy of the service's fingerprint, held to it by a test."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from memory_vllm.chain import canonical

_DOMAIN: Final = b"memory-service kv fingerprint 1\n"
_SAYS_NOTHING: Final = frozenset({"_name_or_path", "transformers_version", "architectures", "use_cache"})
"""Where a model was loaded from, by what, and whether a cache is made: none of it changes a number in the cache."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """Over how many workers the model is split: each then holds other heads or layers."""

    tensor: int = 1
    pipeline: int = 1
    context: int = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All that a block depends on besides the tokens and the salt; digests are SHA-256 in hexadecimal."""

    weights: str
    config: str
    tokenizer: str
    chat_template: str | None
    dtype: str
    kv_dtype: str
    block_size: int
    parallelism: Parallelism
    isa: str
    layout: str
    engine: str
    engine_version: str
    lora: str | None = None

    def digest(self) -> str:
        """Return the SHA-256 of all fields, the same on every machine and in every process."""
        return hashlib.sha256(_DOMAIN + canonical(asdict(self))).hexdigest()

    def fields(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)


def config_digest(config: Mapping[str, Any]) -> str:
    """Return the digest of a model's configuration as its JSON file holds it, but for what says nothing."""
    said = {name: value for name, value in config.items() if name not in _SAYS_NOTHING}
    return hashlib.sha256(canonical(said)).hexdigest()
