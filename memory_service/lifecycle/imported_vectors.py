"""The vectors of memories that are imported: those they bring along, and those that are made here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from memory_service.analysis.attribution import said_from
from memory_service.bundle.records import MemoryRecord, StateRecord
from memory_service.bundle.spans import LiveText, live_texts
from memory_service.lifecycle.draft import Chunk, Encoding
from memory_service.lifecycle.import_decision import Decision, Importing, Line
from memory_service.storage.namespaces import Namespace


@dataclass(frozen=True, slots=True)
class Encoded:
    """A memory to import with the vectors of each of its texts, by the version that brought the text."""

    chunks: Mapping[int, tuple[Chunk, ...]]
    encoders: tuple[int, ...]  # under which they were made


def texts_of(record: MemoryRecord, left_out: frozenset[int] = frozenset()) -> list[LiveText]:
    """Return the texts by which a memory is or was found."""
    return list(live_texts([state for state in record.states() if state.version not in left_out]))


def encode(
    decided: Sequence[tuple[Line, Decision]],
    wanted: Importing,
    namespaces: Mapping[str, Namespace],
    open_encoding: Callable[[], Encoding],
) -> dict[int, Encoded]:
    """Return the vectors of what is to be stored, by line; no connection is held meanwhile.

    Those of the bundle are taken where they were made by the same encoder and are whole; only the rest is encoded.
    """
    found: dict[int, dict[int, tuple[Chunk, ...]]] = {}
    encoders: dict[int, tuple[int, ...]] = {}
    missing: list[tuple[int, int, StateRecord, tuple[int, ...]]] = []
    for line, decision in decided:
        if decision.action not in {"create", "revise"}:
            continue
        under = encoders[line.ordinal] = namespaces[line.record.namespace].encoders
        usable = decision.action == "create" and wanted.encoder.id in under
        brought = _brought(line.record, wanted) if usable else {}
        found[line.ordinal] = brought
        for text in texts_of(line.record, decision.left_out):
            lacking = tuple(one for one in under if text.version not in brought or one != wanted.encoder.id)
            if lacking:
                missing.append((line.ordinal, text.version, text.said, lacking))
    if missing:
        chunks = open_encoding().chunks_under(
            [(said.content, lacking) for _, _, said, lacking in missing],
            starts=[said_from(said.content, [said.speaker, said.role]) for _, _, said, _ in missing],
        )
        for (ordinal, version, _, _), made in zip(missing, chunks, strict=True):
            found[ordinal][version] = (*found[ordinal].get(version, ()), *made)
    return {ordinal: Encoded(chunks, encoders[ordinal]) for ordinal, chunks in found.items()}


def _brought(record: MemoryRecord, wanted: Importing) -> dict[int, tuple[Chunk, ...]]:
    """Return the vectors that a record brings along, by version; those of a text of which one is unusable are left."""
    if not wanted.same_encoder:
        return {}
    length_of = {text.version: len(text.said.content) for text in live_texts(record.states())}
    chunks: dict[int, dict[int, Chunk]] = {}
    bad: set[int] = set()
    for one in record.embeddings:
        vector = one.numbers()
        start, end = one.span
        length = length_of.get(one.version, -1)
        if vector is None or len(vector) != wanted.encoder.dimension or not 0 <= start < end <= length:
            bad.add(one.version)
            continue
        chunks.setdefault(one.version, {})[one.chunk] = Chunk((start, end), vector, wanted.encoder.id)
    return {
        version: tuple(found[place] for place in sorted(found))
        for version, found in chunks.items()
        if version not in bad and sorted(found) == list(range(len(found)))
    }
