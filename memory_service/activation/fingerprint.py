"""Which model, run how, a cache belongs to.

Numbers computed by one model mean nothing to another, and a wrong layout gives garbage while the engine reports a hit. A cache
is therefore loaded only where every field below is the same; `differing` says which are not.
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from memory_service.activation.errors import ActivationError

_DOMAIN: Final = b"memory-service kv fingerprint 1\n"
"""Keeps these digests apart from any other, and from those of a later list of fields."""
TOKEN_BYTES: Final = 8
"""A token id takes, packed."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """Over how many workers the model is split: each then holds other heads or layers."""

    tensor: int = 1
    pipeline: int = 1
    context: int = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All that a key–value cache depends on besides the tokens.

    Digests are SHA-256 in hexadecimal. `config` is the digest of the model's configuration, RoPE included, as `config_digest`
    makes it. `chat_template` and `lora` are None where there is none, which differs from every digest.

    Raises:
        ActivationError: a digest is none, or a size is not positive.
    """

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

    def __post_init__(self) -> None:
        for name in ("weights", "config", "tokenizer", "chat_template", "lora"):
            value = getattr(self, name)
            if not (value is None and name in ("chat_template", "lora")) and not is_digest(value):
                raise ActivationError(f"{name} is to be a SHA-256 digest of 64 hexadecimal digits")
        for name in ("dtype", "kv_dtype", "isa", "layout", "engine", "engine_version"):
            if not isinstance(value := getattr(self, name), str) or not value or not value.isprintable():
                raise ActivationError(f"{name} is to be a printable name")
        sizes = (self.block_size, *asdict(self.parallelism).values())
        if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
            raise ActivationError("block_size and degrees of parallelism are whole numbers from 1")

    def digest(self) -> str:
        """Return the SHA-256 of all fields, the same on every machine and in every process."""
        return hashlib.sha256(_DOMAIN + canonical(asdict(self))).hexdigest()


def is_digest(value: object) -> bool:
    """Return whether a value is a SHA-256 digest as this service writes them: 64 lower-case hexadecimal digits.

    >>> is_digest("ab" * 32), is_digest("AB" * 32), is_digest("ab")
    (True, False, False)
    """
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys and no spaces, ASCII only, so that equal values are equal bytes.

    >>> canonical({"b": 1, "a": [None, "x"]})
    b'{"a":[null,"x"],"b":1}'

    Raises:
        ActivationError: a number is not finite, something is not JSON, or nests deeper than Python writes.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise ActivationError(f"cannot be written as JSON: {error}") from error


_SAYS_NOTHING: Final = frozenset({"_name_or_path", "transformers_version", "architectures", "use_cache"})
"""Where a model was loaded from, by what, and whether a cache is made: none of it changes a number in the cache."""


def config_digest(config: Mapping[str, Any]) -> str:
    """Return the digest of a model's configuration as its JSON file holds it.

    What only says where the model came from is left out; everything else counts, RoPE with its scaling too.

    >>> config_digest({"rope_theta": 10000.0, "_name_or_path": "/a"}) == config_digest({"rope_theta": 10000.0})
    True
    >>> config_digest({"rope_theta": 10000.0}) == config_digest({"rope_theta": 500000.0})
    False
    """
    said = {name: value for name, value in config.items() if name not in _SAYS_NOTHING}
    return hashlib.sha256(canonical(said)).hexdigest()


def tokens_digest(token_ids: list[int]) -> str:
    """Return the digest of token ids, as 64 bits each, little end first.

    >>> tokens_digest([]) == hashlib.sha256(b"").hexdigest()
    True
    >>> tokens_digest([1, 23]) == tokens_digest([12, 3])
    False

    Raises:
        ActivationError: an id is negative or no whole number.
    """
    return hashlib.sha256(packed_tokens(token_ids)).hexdigest()


def packed_tokens(token_ids: Sequence[int]) -> bytes:
    """Return token ids as 64 bits each, little end first; a plan packs thousands while somebody waits, so nothing loops here.

    >>> packed_tokens([1, 256]).hex()
    '01000000000000000001000000000000'

    Raises:
        ActivationError: an id is negative, past 63 bits or no whole number.
    """
    if token_ids and (set(map(type, token_ids)) != {int} or min(token_ids) < 0 or max(token_ids) >= 1 << 63):
        raise ActivationError("token ids are whole numbers from 0")
    return struct.pack(f"<{len(token_ids)}Q", *token_ids)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two fingerprints differ."""

    field: str
    stored: object
    running: object


def differing(stored: Fingerprint, running: Fingerprint) -> tuple[Difference, ...]:
    """Return the fields that differ, in the order of the class; nothing where a cache fits.

    Fields of `parallelism` are named `parallelism.tensor` and so on.
    """
    found = []
    for field in fields(Fingerprint):
        left, right = getattr(stored, field.name), getattr(running, field.name)
        if left == right:
            continue
        if isinstance(left, Parallelism):
            of_left, of_right = asdict(left), asdict(right)
            found += [
                Difference(f"parallelism.{name}", of_left[name], of_right[name])
                for name in of_left
                if of_left[name] != of_right[name]
            ]
        else:
            found.append(Difference(field.name, left, right))
    return tuple(found)
