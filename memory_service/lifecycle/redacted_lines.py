"""Lines of bundles as they may be kept: redacted when they come, and once more when their turn comes."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from memory_service.bundle.lines import item_named
from memory_service.lifecycle.draft import content_hash
from memory_service.lifecycle.redacting import LISTS, TEXTS, VALUES, added, counted, redacted_fields
from memory_service.lifecycle.redaction_notes import Tally
from memory_service.redaction.redactor import Counts, Edit, Redactor, moved
from memory_service.storage.redactions import Redactors

_OF_STATES: Final = (
    "content",
    "title",
    "context",
    "speaker",
    "role",
    "keywords",
    "tags",
    "entities",
    "metadata",
    "value",
)
_OF_BLOCKS: Final = ("value", "description", "metadata", "edited_by")
_OF_DOCUMENTS: Final = ("title", "metadata")

Parsed = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holding:
    """The policies that a text of a document has to keep to; where it is not sure that they hold, they mask what they refuse."""

    redactors: Sequence[Redactor] = ()
    sure: bool = True


@dataclass(frozen=True, slots=True)
class LineRedactor:
    """What holds for the lines of one bundle; a text of a document lies where its document does."""

    redactors: Redactors
    of_document: Callable[[str], Holding]
    tally: Tally = field(default_factory=Tally)  # of all the lines so far
    _replaced: list[tuple[Redactor, Counts]] = field(default_factory=list)  # on the present line

    def redacted(self, raw: bytes, parsed: Parsed) -> bytes:
        """Return a line without what must not be stored; one in which there is nothing of it comes back as it is.

        Args:
            raw: the line.
            parsed: what stands on it, a record that could be stored: of any other, sizes are unknown, and texts may not be such.

        Raises:
            InvalidRequest: a rule refuses something.
        """
        act = _KINDS.get(str(parsed.get("type")))
        if act is None or not self.redactors:
            return raw
        self._replaced.clear()
        made = act(self, parsed)
        self._count_in()
        # Without spaces, as bundles are written.
        return raw if made is parsed else json.dumps(made, separators=(",", ":")).encode() + b"\n"

    def told(self, detail: str) -> str:
        """Return why a line is refused: it may name a field, and the name may be what no policy of the tenant lets in."""
        for _, redactor in sorted(self.redactors.by_path.items()):
            detail = redactor.masking.text(detail, Counts())
        return detail

    def _counts(self, redactor: Redactor) -> Counts:
        counts = Counts()
        self._replaced.append((redactor, counts))
        return counts

    def _count_in(self) -> None:
        for space, redactor in self.redactors.by_id.items():
            total = Counter[str]()
            for one, counts in self._replaced:
                if one is redactor:
                    total += counts
            self.tally.add(space, redactor, total)

    def _at(self, parsed: Parsed) -> Redactor | None:
        path = parsed.get("namespace")
        return self.redactors.by_path.get(path) if isinstance(path, str) else None

    def memory(self, parsed: Parsed) -> Parsed:
        """Return a memory with every state redacted; its vectors go where a text changed, and hashes are those of what is left."""
        versions = parsed.get("versions") or []
        if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
            return parsed
        states = [self._state(one, f"/versions/{place}") for place, one in enumerate(versions)]
        made = self._state(parsed, "")
        if made is parsed and all(new is old for new, old in zip(states, versions, strict=True)):
            return self._sources(parsed, parsed, {})
        hashes = {
            content_hash(old["content"]).hex(): content_hash(new["content"]).hex()
            for old, new in zip([*versions, parsed], [*states, made], strict=True)
            if new is not old and isinstance(old.get("content"), str)
        }
        said = {before for before, now in hashes.items() if before != now}
        whole = {**made, "versions": states} if "versions" in parsed else {**made}
        if said:
            whole.pop("embeddings", None)
        return self._sources(whole, parsed, hashes)

    def _sources(self, made: Parsed, parsed: Parsed, hashes: Mapping[str, str]) -> Parsed:
        redactor, sources = self._at(parsed), parsed.get("sources")
        if redactor is None or not isinstance(sources, list) or not all(isinstance(one, dict) for one in sources):
            return made
        changed = []
        for place, one in enumerate(sources):
            said = {"source_ref": one.get("ref"), "speaker": one.get("speaker"), "role": one.get("role")}
            told = redacted_fields(_texts_of(said), redactor, self._counts(redactor), below=f"/sources/{place}")
            fields = {"ref" if name == "source_ref" else name: value for name, value in told.items()}
            if isinstance(one.get("hash"), str) and one["hash"] in hashes:
                fields["hash"] = hashes[one["hash"]]
            changed.append({**one, **fields} if any(one.get(name) != value for name, value in fields.items()) else one)
        if all(new is old for new, old in zip(changed, sources, strict=True)):
            return made
        return {**made, "sources": changed}

    def _state(self, state: Parsed, below: str) -> Parsed:
        redactor = self._at(state)
        if redactor is None:
            return state
        counts = self._counts(redactor)
        made = _fields(state, _OF_STATES, redactor, counts, below=below)
        before = state.get("redactions")
        if made is state or not (before is None or isinstance(before, dict)):
            return made
        known = Counter({name: n for name, n in (before or {}).items() if isinstance(n, int)})
        return {**made, "redactions": added(known, counted(counts))}

    def block(self, parsed: Parsed) -> Parsed:
        """Return a core block with every text redacted."""
        redactor, versions = self._at(parsed), parsed.get("versions")
        if redactor is None or not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
            return parsed
        counts = self._counts(redactor)
        made = [
            _fields(one, _OF_BLOCKS, redactor, counts, below=f"/versions/{place}") for place, one in enumerate(versions)
        ]
        same = all(new is old for new, old in zip(made, versions, strict=True))
        return parsed if same else {**parsed, "versions": made}

    def document(self, parsed: Parsed) -> Parsed:
        """Return a document with its title and metadata redacted."""
        redactor = self._at(parsed)
        return parsed if redactor is None else _fields(parsed, _OF_DOCUMENTS, redactor, self._counts(redactor))

    def document_text(self, parsed: Parsed) -> Parsed:
        """Return the text of a document redacted, with the spans of its memories where they stand now."""
        holding, made = self.of_document(item_named(parsed) or ""), parsed.get("content")
        if not isinstance(made, str):
            return parsed
        edits: list[list[Edit]] = []
        for redactor in holding.redactors:
            acting = redactor if holding.sure else redactor.masking
            made = acting.text(made, self._counts(redactor), at="/content", edits=edits)
        chunks = parsed.get("chunks")
        if not edits:
            return parsed
        if not isinstance(chunks, list):
            return {**parsed, "content": made}
        return {**parsed, "content": made, "chunks": [_moved(chunk, edits) for chunk in chunks]}


_KINDS: Final[Mapping[str, Callable[[LineRedactor, Parsed], Parsed]]] = {
    "memory": LineRedactor.memory,
    "block": LineRedactor.block,
    "document": LineRedactor.document,
    "document_text": LineRedactor.document_text,
}


def _fields(parsed: Parsed, names: tuple[str, ...], redactor: Redactor, counts: Counts, *, below: str = "") -> Parsed:
    said = _texts_of({name: parsed[name] for name in names if name in parsed})
    made = redacted_fields(said, redactor, counts, below=below)
    return parsed if all(made[name] == said[name] for name in made) else {**parsed, **made}


def _texts_of(fields: Mapping[str, Any]) -> Parsed:
    """Return the fields whose values are what they should be; the others are refused when the line is read."""
    kept = {}
    for name, value in fields.items():
        listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if (name in TEXTS and isinstance(value, str)) or (name in LISTS and listed) or name in VALUES:
            kept[name] = value
    return kept


def _moved(chunk: Any, edits: list[list[Edit]]) -> Any:
    span = chunk.get("span") if isinstance(chunk, dict) else None
    if not (isinstance(span, list) and len(span) == 2 and all(type(one) is int for one in span)):
        return chunk
    return {**chunk, "span": [moved(span[0], edits), moved(span[1], edits, end=True)]}
