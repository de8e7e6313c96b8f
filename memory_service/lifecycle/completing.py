"""Vectors under every encoder that a namespace is written under, also where that was not known when its text was encoded."""

from collections.abc import Sequence

from memory_service.errors import Unavailable
from memory_service.lifecycle.draft import Chunk, Encoding


def busy() -> Unavailable:
    """Return the error for a change that other writers kept from being made."""
    return Unavailable("Another change came first; try again.", code="busy", retry_after_s=1)


def completed(
    texts: Sequence[tuple[str, tuple[Chunk, ...], tuple[int, ...]]], encoding: Encoding | None
) -> list[dict[int, tuple[Chunk, ...]]]:
    """Return the chunks of texts by encoder: those that are wanted and there, and what was missing, encoded now.

    Something is missing only where a namespace began to change its encoder between the encoding and this transaction: rare
    enough that the connection may wait for it, since the memory must be found by what searches use from its commit on.

    Args:
        texts: content, the chunks made of it, and the encoders that its namespace is written under, the searched one first.
        encoding: makes what is missing; None where the caller has none.

    Raises:
        Unavailable: something is missing and cannot be made here; nothing was changed.
    """
    found: list[dict[int, tuple[Chunk, ...]]] = []
    missing: list[tuple[int, int]] = []
    for place, (content, chunks, encoders) in enumerate(texts):
        by_encoder: dict[int, list[Chunk]] = {}
        for chunk in chunks:
            by_encoder.setdefault(encoders[0] if chunk.encoder_id is None else chunk.encoder_id, []).append(chunk)
        found.append({one: tuple(by_encoder.get(one, ())) for one in encoders})
        # A text without a word has no chunks under any encoder.
        missing += [(place, one) for one in encoders if one not in by_encoder and content]
    if missing:
        if encoding is None:
            raise busy()
        # From where the others begin: in front of it stands the name of who speaks.
        starts = [min((chunk.span[0] for chunk in texts[place][1]), default=0) for place, _ in missing]
        made = encoding.chunks_under([(texts[place][0], (one,)) for place, one in missing], starts=starts)
        for (place, one), chunks in zip(missing, made, strict=True):
            found[place][one] = chunks
    return found
