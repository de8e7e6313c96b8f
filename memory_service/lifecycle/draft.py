"""A memory before it is stored: what the caller said, then what the service worked out about it."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.attribution import Utterance, Voice
from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.tokens import UNKNOWN_LANGUAGE
from memory_service.analysis.wrapping import plain, said_in
from memory_service.errors import InvalidRequest, MemoryServiceError, Unavailable
from memory_service.lifecycle.redacting import LISTS, TEXTS, VALUES, added, counted, redacted_fields
from memory_service.lifecycle.voices import Listen, start_of, voices_of
from memory_service.redaction.redactor import Counts, Redactor
from memory_service.storage.redactions import NOTHING, Redactors
from memory_service.storage.sql import Row
from memory_service.types import DEFAULT_NAMESPACE, Extract, MemoryType, OnConflict, SourceKind

DEFAULT_IMPORTANCE = 0.5  # until the background has looked
DEFAULT_CONFIDENCE = 1.0


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller asks to remember."""

    content: str
    namespace: str = DEFAULT_NAMESPACE
    memory_type: MemoryType = MemoryType.EPISODIC
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    external_id: str | None = None
    title: str | None = None
    context: str | None = None
    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    value: Any = None
    importance: float | None = None  # None: worked out from how surprising it is
    confidence: float = DEFAULT_CONFIDENCE
    pinned: bool = False
    language: str | None = None
    speaker: str | None = None
    role: str | None = None
    observed_at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    expires_at: datetime | None = None
    source_kind: SourceKind | None = None
    source_ref: str | None = None
    source_span: tuple[int, int] | None = None
    extract: Extract | None = None  # None: as the namespace says
    on_conflict: OnConflict = OnConflict.SKIP
    given: frozenset[str] = frozenset()  # the fields that the caller named: what an update changes
    deduplicate: bool = True
    hides_instructions: bool = False  # it comes from a page that talks to models where people do not see it
    by_caller: bool = True  # somebody is there who can be told that a policy refuses it


_WORDS: Final = tuple(name for name in (*TEXTS, *LISTS, *VALUES) if name in Draft.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Redacted:
    """A draft as it may be stored: by which policy, and what that replaced; or why nothing of it may be."""

    draft: Draft
    redactor: Redactor | None = None
    counts: Mapping[str, int] | None = None
    refusal: InvalidRequest | None = None


def redacted(draft: Draft, redactor: Redactor | None) -> Redacted:
    """Return a draft as the policy of its namespace has it, with nothing of it where a rule refuses."""
    if redactor is None:
        return Redacted(draft)
    acting = redactor if draft.by_caller else redactor.masking
    counts = Counts()
    try:
        fields = redacted_fields({name: getattr(draft, name) for name in _WORDS}, acting, counts)
    except InvalidRequest as refusal:
        return Redacted(Draft("", namespace=draft.namespace), redactor, refusal=refusal)
    return Redacted(replace(draft, **fields), redactor, counted(counts))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of the content, in characters, and its vector (float32[d], normalised)."""

    span: tuple[int, int]
    vector: NDArray[np.float32]
    encoder_id: int | None = None  # which encoder made it; None: the one that searches of its namespace use


@dataclass(frozen=True, slots=True)
class NewText:
    """What a memory is to say from now on, as the policy of its namespace had it, and the vectors of that."""

    content: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft with everything that can be worked out before a transaction opens."""

    draft: Draft
    observed_at: datetime
    content_hash: bytes
    dedupe_hash: bytes | None
    said_hash: bytes
    terms: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    language: str = UNKNOWN_LANGUAGE  # whose rules cut the terms
    redactor: Redactor | None = None  # by which it was redacted
    redactions: Mapping[str, int] | None = None  # what that replaced, by rule
    refusal: InvalidRequest | None = None  # why it may not be stored: then nothing of it is here
    voice: Voice | None = None  # who speaks by the name before the text, where the caller does not say who

    @property
    def speaker(self) -> str | None:
        """Who says it: as the caller states, else as the text does."""
        return self.draft.speaker or (self.voice.speaker if self.voice else None)

    @property
    def role(self) -> str | None:
        """In which role, in the same way."""
        return self.draft.role or (self.voice.role if self.voice else None)


def no_other(encoder_id: int) -> "Encoding":
    """Say that this process has its own encoder only.

    Raises:
        Unavailable: always.
    """
    raise Unavailable(f"The encoder {encoder_id} is not to be had here.", code="encoder_unavailable", retry_after_s=5)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How texts become vectors here: the functions of the encoder by default, and how to come by others.

    A namespace that changes its encoder is written under two. Which those are is known for certain only in the transaction
    that stores; what is asked here beforehand spares that transaction the encoding, all but always.
    """

    encode: Callable[[Sequence[str]], NDArray[np.float32]]
    chunk: Callable[[str], Sequence[tuple[int, int]]]
    encoder_id: int
    under: Callable[[int], "Encoding"] = no_other  # another encoder, by its id
    # Under which encoders the texts of namespaces are written, by path; those left out go by the default.
    encoders_at: Callable[[Collection[str]], Mapping[str, tuple[int, ...]]] = lambda _: {}
    # What namespaces tell of who speaks in a text, by path.
    listen: Listen = lambda _: {}
    # The same for the namespaces of memories, by the memory's id.
    encoders_for: Callable[[Collection[UUID]], Mapping[UUID, tuple[int, ...]]] = lambda _: {}
    # What must not be stored, and so not be encoded either; asked again in the transaction that stores.
    redactors: Callable[[], Redactors] = lambda: NOTHING
    redactors_for: Callable[[Collection[UUID]], Mapping[UUID, Redactor]] = lambda _: {}  # by the memory

    def of(self, encoder_id: int) -> "Encoding":
        """Return the encoding under an encoder, which may be this one."""
        return self if encoder_id == self.encoder_id else self.under(encoder_id)

    def chunks_under(
        self, texts: Sequence[tuple[str, tuple[int, ...]]], *, starts: Sequence[int] = ()
    ) -> list[tuple[Chunk, ...]]:
        """Encode texts, each under the encoders beside it; no connection is held while this runs. See `chunks`."""
        starts = starts or [0] * len(texts)
        made: list[list[Chunk]] = [[] for _ in texts]
        for encoder_id in sorted({one for _, encoders in texts for one in encoders}):
            places = [place for place, (_, encoders) in enumerate(texts) if encoder_id in encoders]
            encoded = self.of(encoder_id).chunks([texts[p][0] for p in places], starts=[starts[p] for p in places])
            for place, chunks in zip(places, encoded, strict=True):
                made[place] += chunks
        return [tuple(chunks) for chunks in made]

    def new_texts(self, contents: Sequence[tuple[UUID, str]]) -> list[NewText]:
        """Encode what memories are to say from now on, redacted."""
        redactors = self.redactors_for({memory_id for memory_id, _ in contents}) if contents else {}
        if redactors:
            # What is refused is masked here, and refused where it would be stored.
            contents = [
                (one, redactors[one].masking.text(content, Counts()) if one in redactors else content)
                for one, content in contents
            ]
        encoders = self.encoders_for({memory_id for memory_id, _ in contents}) if contents else {}
        own = (self.encoder_id,)
        chunks = self.chunks_under([(content, encoders.get(memory_id, own)) for memory_id, content in contents])
        return [NewText(content, made) for (_, content), made in zip(contents, chunks, strict=True)]

    def chunks(self, contents: Sequence[str], *, starts: Sequence[int] = ()) -> list[tuple[Chunk, ...]]:
        """Encode texts under this encoder, longer ones in parts; no connection is held while this runs.

        Of a text with something written around it (`wrapping`) what was said is encoded, and the spans are of that.

        Args:
            contents: what memories say.
            starts: from which character each is encoded at the earliest; empty for all of each. The name of who says it is no
                part of what is said, and texts that begin with it are not alike for that.
        """
        wrapped = [said_in(content) for content in contents]
        begins = [max(said.start, start) for said, start in zip(wrapped, starts or [0] * len(contents), strict=True)]
        spans = [
            [(begin + start, begin + end) for start, end in self.chunk(content[begin : said.end])]
            for content, said, begin in zip(contents, wrapped, begins, strict=True)
        ]
        texts = [
            plain(content[start:end], escaped=said.escaped)
            for content, said, parts in zip(contents, wrapped, spans, strict=True)
            for start, end in parts
        ]
        vectors = self.encode(texts) if texts else np.zeros((0, 0), dtype=np.float32)
        result, at = [], 0
        for parts in spans:
            result.append(tuple(Chunk((s, e), vectors[at + i], self.encoder_id) for i, (s, e) in enumerate(parts)))
            at += len(parts)
        return result


def content_hash(content: str) -> bytes:
    """Hash a content, as sources and tombstones keep it."""
    return hashlib.sha256(content.encode()).digest()


def dedupe_hash(draft: Draft) -> bytes:
    r"""Hash what makes two drafts of a namespace the same memory: scope, session, speaker, time as given, content.

    >>> a = Draft("likes tea", user_id="1")
    >>> dedupe_hash(a) == dedupe_hash(Draft("likes tea", user_id="1", importance=0.9))
    True
    >>> dedupe_hash(a) == dedupe_hash(Draft("likes tea", user_id="2"))
    False
    """
    observed = draft.observed_at.timestamp().hex() if draft.observed_at else None
    parts = (draft.user_id, draft.agent_id, draft.session_id, draft.speaker, observed, draft.content)
    digest = hashlib.sha256()
    for part in parts:
        encoded = b"" if part is None else part.encode()
        digest.update(b"-" if part is None else b"+")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()


def said_hash(user_id: str | None, content: bytes) -> bytes:
    """Hash who a text is about and the hash of the text: by this an erasure knows it again (`erasure.bury` has it in SQL).

    >>> said_hash(None, content_hash("tea")) == said_hash("", content_hash("tea"))
    False
    """
    return hashlib.sha256(("-" if user_id is None else f"+{user_id}").encode() + content).digest()


def identity_of(row: Row) -> bytes:
    """Return the `dedupe_hash` of a stored memory as its fields are now.

    A memory whose caller gave no time was observed when it was stored, to the microsecond; one whose speaker was read from the
    text had none.
    """
    observed_at = None if row["observed_at"] == row["created_at"] else row["observed_at"]
    return dedupe_hash(
        Draft(
            row["content"],
            user_id=row["user_id"],
            agent_id=row["agent_id"],
            session_id=row["session_id"],
            speaker=None if "speaker" in row["computed"] else row["speaker"],
            observed_at=observed_at,
        )
    )


def cut(draft: Draft, *, observed_at: datetime) -> tuple[str, tuple[str, ...]]:
    """Return the language whose rules cut a draft, and the terms by which it is found by keyword."""
    language = language_of(draft.content, draft.language)
    return language, memory_terms(
        draft.content,
        language=language,
        speaker=draft.speaker,
        observed_at=observed_at,
        title=draft.title,
        context=draft.context,
    )


def prepare(drafts: Sequence[Draft], *, encoding: Encoding, now: datetime) -> list[Prepared]:
    """Redact drafts as the policies of their namespaces say; work out hashes, terms and vectors of what is left."""
    redactors = encoding.redactors()
    return prepare_redacted(
        [redacted(draft, redactors.by_path.get(draft.namespace)) for draft in drafts], encoding=encoding, now=now
    )


def prepare_redacted(drafts: Sequence[Redacted], *, encoding: Encoding, now: datetime) -> list[Prepared]:
    """Work out hashes, terms and vectors of drafts as they may be stored."""
    encoders = encoding.encoders_at({one.draft.namespace for one in drafts})
    own = (encoding.encoder_id,)
    texts = [
        (one.draft.content, encoders.get(one.draft.namespace, own) if one.refusal is None else ()) for one in drafts
    ]
    said = [Utterance(one.draft.content, one.draft.speaker, one.draft.role) for one in drafts]
    heard = _heard(drafts, said, encoding)
    starts = [start_of(one, voice) for one, voice in zip(said, heard, strict=True)]
    chunked = encoding.chunks_under(texts, starts=starts)
    return [
        _prepared(one, chunks, voice=voice, now=now) for one, chunks, voice in zip(drafts, chunked, heard, strict=True)
    ]


def _heard(drafts: Sequence[Redacted], said: Sequence[Utterance], encoding: Encoding) -> list[Voice | None]:
    """Return who speaks by the name before each text: not where nothing is to be read, or a policy keeps the name out."""
    found: list[Voice | None] = [None] * len(drafts)
    read = [place for place, one in enumerate(drafts) if one.refusal is None and _is_said(one.draft)]
    voices = voices_of([(drafts[place].draft.namespace, said[place]) for place in read], encoding.listen)
    for place, voice in zip(read, voices, strict=True):
        found[place] = None if voice is None or keeps_out(drafts[place].redactor, voice) else voice
    return found


def _is_said(draft: Draft) -> bool:
    talk = (None, SourceKind.USER, SourceKind.ASSISTANT)
    return draft.extract is not Extract.NONE and draft.source_kind in talk


def keeps_out(redactor: Redactor | None, voice: Voice) -> bool:
    """Say whether a policy keeps the name of who speaks out of what is stored."""
    if redactor is None or voice.speaker is None:
        return False
    kept = redacted_fields({"speaker": voice.speaker}, redactor.masking, Counts())
    return bool(kept["speaker"] != voice.speaker)


def _prepared(one: Redacted, chunks: tuple[Chunk, ...], *, voice: Voice | None, now: datetime) -> Prepared:
    draft = one.draft
    observed_at = draft.observed_at or now
    language, terms = cut(draft, observed_at=observed_at)
    hashed = content_hash(draft.content)
    return Prepared(
        draft=draft,
        observed_at=observed_at,
        content_hash=hashed,
        dedupe_hash=dedupe_hash(draft) if draft.deduplicate else None,
        said_hash=said_hash(draft.user_id, hashed),
        terms=terms,
        chunks=chunks,
        language=language,
        redactor=one.redactor,
        redactions=one.counts,
        refusal=one.refusal,
        voice=voice,
    )


def settled(
    items: Sequence[Prepared], redactors: Redactors, *, encoding: Encoding, now: datetime
) -> Sequence[Prepared]:
    """Return drafts as the policies of now have them: all but always they were prepared under these.

    One whose namespace has another by now is redacted and encoded again; what an earlier policy took out does not come back.
    """
    stale = [
        place for place, item in enumerate(items) if item.redactor is not redactors.by_path.get(item.draft.namespace)
    ]
    stale = [place for place in stale if items[place].refusal is None]
    if not stale:
        return items
    again = [redacted(items[place].draft, redactors.by_path.get(items[place].draft.namespace)) for place in stale]
    changed = dict(zip(stale, prepare_redacted(again, encoding=encoding, now=now), strict=True))
    return [
        replace(made, redactions=added(item.redactions, made.redactions)) if (made := changed.get(place)) else item
        for place, item in enumerate(items)
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one draft."""

    status: str  # created, skipped, superseded, updated or rejected
    memory_id: UUID
    problem: MemoryServiceError | None = None  # why it was rejected
    record: Row | None = None  # as the outside sees it, where it is known without reading it again
