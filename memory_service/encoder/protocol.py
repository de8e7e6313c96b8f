"""The one-method protocol of everything that turns text into vectors, and the values around it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Turn texts into unit vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array of L2-normalised rows in the order of `texts`.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tokenized:
    """A text and what the model reads of it: token ids, special tokens included, cut at the window."""

    text: str
    ids: Sequence[int]


@runtime_checkable
class TokenizesTexts(Protocol):
    """An encoder that reads texts in two steps: batches are packed by how long texts are, and none is tokenised twice."""

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        """Return each text with its tokens.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        ...

    def encode_tokenized(self, texts: Sequence[Tokenized]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array as `encode` returns it of the same texts."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Say which model made a vector: by its files and by what it does, not by its name alone.

    Attributes:
        name: As configured, for people; a renamed folder is still the same model.
        dimension: Length of every vector.
        max_tokens: Window of the model, special tokens included; longer text is cut by `encode`.
        fingerprint: SHA-256 (hex) over weights, tokenizer and module configuration.
        probe: float32[dimension], the embedding of `identity.PROBE_SENTENCE`.
    """

    name: str
    dimension: int
    max_tokens: int
    fingerprint: str
    probe: NDArray[np.float32] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class TextSpan:
    """A half-open range of characters, `text[start:end]`."""

    start: int
    end: int
