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


@runtime_checkable
class MeasuresTexts(Protocol):
    """An encoder that can say how long texts are, which lets a batch be packed without guessing."""

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text as `encode` sees it: special tokens included, cut at the window.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
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
