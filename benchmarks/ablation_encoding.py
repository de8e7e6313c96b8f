"""Encode texts once: a cache of half-precision vectors on disk, as the service stores them."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.loading import LoadedEncoder

BATCH = 256
"""Texts handed to the encoder at once."""


class CachedEncoder:
    """Vectors by the hash of their text; one file per encoder in ``folder``, none when it is None."""

    def __init__(self, encoder: LoadedEncoder, folder: Path | None) -> None:
        self._encoder = encoder
        self._file = folder / f"vectors-{encoder.identity.fingerprint[:12]}.npz" if folder else None
        self._known: dict[str, NDArray[np.float16]] = self._stored()

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._encoder.identity.dimension

    def chunks(self, text: str) -> list[str]:
        """Return the parts of a text that are encoded one by one."""
        return [text[span.start : span.end] for span in self._encoder.chunk(text)]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return from where to where in a text its parts go, in characters."""
        return [(span.start, span.end) for span in self._encoder.chunk(text)]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32[n, d], rounded to half precision and back as the service's columns do."""
        keys = [_key(text) for text in texts]
        wanted = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        # Texts of like length share a batch, so that little of it is padding.
        new = sorted(wanted, key=lambda key: len(wanted[key]))
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            vectors = self._encoder.encode([wanted[key] for key in batch]).astype(np.float16)
            self._known.update(zip(batch, vectors, strict=True))
        if new:
            self._save()
        if not keys:
            return np.empty((0, self.dimension), dtype=np.float32)
        return np.stack([self._known[key] for key in keys]).astype(np.float32)

    def _stored(self) -> dict[str, NDArray[np.float16]]:
        if self._file is None or not self._file.is_file():
            return {}
        with np.load(self._file) as stored:
            return dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def _save(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Another run may have written since this one read: what it found out is kept.
        known = self._stored() | self._known
        draft = self._file.with_suffix(f".{os.getpid()}.npz")
        np.savez(draft, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
        draft.replace(self._file)


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
