"""Turn conversations into the rows that ranking sees, without a server: the same terms, the same encoder."""

import json
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.ablation_forms import Form, Items
from benchmarks.ablation_structure import with_structure
from benchmarks.datasets import Conversation, Document, Question, read_conversations
from benchmarks.loading import LoadReport, memories
from memory_service.analysis.attribution import Utterance, attributed, begins_with, said_from
from memory_service.analysis.names import people_of
from memory_service.analysis.naming import named_in
from memory_service.analysis.times import find_times
from memory_service.analysis.tokens import ROLES, keyword_text, terms
from memory_service.analysis.traits import traits
from memory_service.analysis.wishes import wish_in
from memory_service.analysis.wrapping import plain as plain_text
from memory_service.analysis.wrapping import said_in
from retrieval.bearers import Said, meant_by
from retrieval.framing import asked_in
from retrieval.parties import are_people, with_parties
from retrieval.query import ParsedQuery, parse_query, unknown_names
from retrieval.rows import NONE, KeyKind, Keys, Links, Mentions, Postings, Role, Rows, Spans
from retrieval.turns import neighbours, with_series, with_talks
from retrieval.wishes import WishKind

OLD = ("old", "original_info")
NEW = ("new", "updated_info")
"""By which names data sets call the evidence of a value before and after it changed."""

_CAPTION = re.compile(r"\s*\[shares image: [^\]]*\]\s*\Z")
_LAST_SENTENCE = re.compile(r"[^.!?\n]*\?\s*\Z")
_WORD = re.compile(r"[^\s]+")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is given to the ranking: a query as it was read, and its vector."""

    parsed: ParsedQuery
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, read and encoded in four forms, and where its evidence stands."""

    question: Question
    gold: tuple[int, ...]  # rows
    old: tuple[int, ...]  # rows that hold a value which changed later
    new: tuple[int, ...]  # rows that hold what it changed to
    whole: Cue
    plain: Cue  # encoded as it was asked, not in the first person
    keywords: Cue  # its words without the stop words
    borne: Cue  # read without looking up whom names mean that nobody bears


@dataclass(frozen=True, slots=True)
class Space:
    """One conversation as a namespace."""

    name: str
    rows: Rows
    texts: tuple[str, ...]
    external_ids: tuple[str, ...]
    asked: tuple[Asked, ...]


FIELDS: Final = ("session_id", "speaker", "observed_at")
"""What a turn has beside its text, and callers may leave out."""
TOGETHER: Final = 100
"""Items that somebody sends with one batch."""
IN_TEXT: Final = "speaker-in-text"
"""Left out as a field, and written before the text in its place."""


def load_spaces(
    path: Path, encoder: CachedEncoder, *, without: Collection[str] = (), form: Form | None = None
) -> list[Space]:
    """Return the conversations of a file as namespaces, as of somebody who loads them in a form.

    Args:
        path: the file.
        encoder: what encodes the texts.
        without: which of `FIELDS` or `IN_TEXT` are left out.
        form: what is done to the turns besides; None where they are sent with everything they have.
    """
    roles = _changed_values(path)

    def sent(items: Items) -> list[dict[str, Any]]:
        kept = [left_out(item, without) for item in items]
        return form(kept) if form else kept

    return [_space(one, encoder, roles.get(one.id, {}), sent=sent) for one in read_conversations(path)]


def load_together(paths: Mapping[str, Path], encoder: CachedEncoder) -> list[Space]:
    """Return the conversations of several files as one namespace, once for each file, with the questions of that file."""
    documents: list[Document] = []
    asked: dict[str, list[Question]] = {name: [] for name in paths}
    roles: dict[str, Mapping[str, Any]] = {}
    for name, path in paths.items():
        changed = _changed_values(path)
        for one in read_conversations(path):
            of = f"{name}/{one.id}/"
            documents += [
                replace(turn, id=of + turn.id, session=turn.session and of + turn.session) for turn in one.documents
            ]
            asked[name] += [
                replace(question, id=of + question.id, gold=tuple(of + turn for turn in question.gold))
                for question in one.questions
            ]
            for question, evidence in changed.get(one.id, {}).items():
                roles[of + question] = {what: [of + turn for turn in turns] for what, turns in evidence.items()}
    questions = tuple(question for of in asked.values() for question in of)
    whole = _space(
        Conversation("together", tuple(documents), questions), encoder, roles, sent=lambda items: [*map(dict, items)]
    )
    of_file = {question.id: name for name, of in asked.items() for question in of}
    return [
        replace(whole, name=name, asked=tuple(one for one in whole.asked if of_file[one.question.id] == name))
        for name in paths
    ]


def left_out(item: Mapping[str, Any], without: Collection[str]) -> dict[str, Any]:
    """Return a batch item as somebody sends it who leaves something out.

    >>> left_out({"content": "Hi!", "speaker": "Ana", "session_id": "s"}, ["session_id", "speaker-in-text"])
    {'content': 'Ana: Hi!'}
    """
    kept = {name: value for name, value in item.items() if name not in without}
    if IN_TEXT in without and kept.keys() & {"speaker", "role"}:
        said_by = kept.pop("speaker", None) or kept["role"].capitalize()
        kept = {**kept, "content": f"{said_by}: {kept['content']}"}
        kept.pop("role", None)
    return kept


def _attributed(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return batch items with who speaks by the name before the text, which each batch tells of itself and of those before."""
    known: set[str] = set()
    found = []
    for start in range(0, len(items), TOGETHER):
        batch = items[start : start + TOGETHER]
        voices = attributed([Utterance(one["content"], one.get("speaker"), one.get("role")) for one in batch], known)
        for one, voice in zip(batch, voices, strict=True):
            if voice is not None and voice.speaker is not None:
                known.add(voice.speaker)
                one = {**one, "speaker": voice.speaker}
            elif voice is not None:
                one = {**one, "role": voice.role}
            found.append(one)
    return found


def _changed_values(path: Path) -> dict[str, dict[str, Mapping[str, Sequence[str]]]]:
    """Return which evidence is old and which is new, by conversation and question, where a jsonl file says so."""
    if path.suffix != ".jsonl":
        return {}
    found: dict[str, dict[str, Mapping[str, Sequence[str]]]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            questions = record.get("questions", ())
            found[str(record.get("conv"))] = {str(q["qid"]): q.get("gold_roles") or {} for q in questions if "qid" in q}
    return found


def _space(
    conversation: Conversation, encoder: CachedEncoder, roles: dict[str, Mapping[str, Any]], *, sent: Form
) -> Space:
    stored = memories(conversation.documents, conversation=conversation.id, report=LoadReport())
    items = _attributed(sent(stored))
    captions = {one.id: one.caption for one in conversation.documents}
    rows, texts = build_rows(items, captions=captions, encoder=encoder)
    rows = with_structure(rows)
    names = tuple(item["external_id"] for item in items)
    places = {name: place for place, name in enumerate(names)}
    questions = [question.text for question in conversation.questions]
    whole = read_cues(questions, rows=rows, contents=texts, encoder=encoder)
    plain = encoder.encode(questions)
    keywords = read_cues([keywords_only(text) for text in questions], rows=rows, contents=texts, encoder=encoder)
    borne = read_cues(questions, rows=rows, contents=None, encoder=encoder)
    asked = []
    for place, question in enumerate(conversation.questions):
        changed = roles.get(question.id, {})
        asked.append(
            Asked(
                question=question,
                gold=tuple(places[one] for one in question.gold if one in places),
                old=tuple(places[one] for one in _first_of(changed, OLD) if one in places),
                new=tuple(places[one] for one in _first_of(changed, NEW) if one in places),
                whole=whole[place],
                plain=Cue(whole[place].parsed, plain[place]),
                keywords=keywords[place],
                borne=borne[place],
            )
        )
    return Space(conversation.id, rows, tuple(texts), names, tuple(asked))


def _first_of(changed: Mapping[str, Sequence[str]], names: Sequence[str]) -> Sequence[str]:
    return next((changed[name] for name in names if name in changed), ())


def read_cues(texts: Sequence[str], *, rows: Rows, contents: Sequence[str] | None, encoder: CachedEncoder) -> list[Cue]:
    """Read and encode queries as the service would in the namespace of these rows, right after the last of them.

    Args:
        texts: the queries.
        rows: the namespace.
        contents: the texts of its rows; None where nobody looks up whom names mean that nobody bears.
        encoder: what encodes them.
    """
    latest = np.nanmax(rows.observed_at) if np.isfinite(rows.observed_at).any() else 0.0
    now = datetime.fromtimestamp(float(latest), UTC)
    asked = [asked_in(text) for text in texts]
    called = [{} if contents is None else called_by(one.text, rows=rows, contents=contents) for one in asked]
    parsed = [
        parse_query(one.text, speakers=rows.speakers, now=one.now or now, called=names)
        for one, names in zip(asked, called, strict=True)
    ]
    vectors = encoder.encode([one.spoken for one in parsed])
    return [Cue(one, vector) for one, vector in zip(parsed, vectors, strict=True)]


def called_by(query: str, *, rows: Rows, contents: Sequence[str]) -> dict[str, str]:
    """Return whom of the speakers names of a query mean that none of them bears."""
    found: dict[str, str] = {}
    speakers = rows.speakers or tuple(
        one.name.lower() for one in Role if one in (Role.USER, Role.ASSISTANT) and one in rows.role
    )
    for name in unknown_names(query, rows.speakers):
        stands = {row for term in terms(name) if term in rows.postings for row in rows.postings[term].row.tolist()}
        said = [
            Said(
                rows.speakers[who] if who != NONE else Role(rows.role[row]).name.lower(),
                contents[row],
                _beside(rows, row),
            )
            for row in sorted(stands)
            if (who := rows.speaker[row]) != NONE or rows.role[row] != Role.NONE
        ]
        meant = meant_by(name, said, speakers)
        if meant is not None:
            found[name] = meant
    return found


def _beside(rows: Rows, row: int) -> frozenset[str]:
    """Return who else speaks within three turns of one."""
    found = set()
    for steps in (rows.previous, rows.following):
        at = row
        for _ in range(3):
            at = steps[at]
            if at == NONE:
                break
            if rows.speaker[at] not in (NONE, rows.speaker[row]):
                found.add(rows.speakers[rows.speaker[at]])
    return frozenset(found)


def strangers(spaces: Sequence[Space], encoder: CachedEncoder) -> list[tuple[Space, Cue]]:
    """Return the questions of each conversation asked in the next one, which cannot answer them."""
    found: list[tuple[Space, Cue]] = []
    for place, space in enumerate(spaces):
        elsewhere = spaces[(place + 1) % len(spaces)]
        if elsewhere is space:
            continue
        questions = [asked.question.text for asked in space.asked]
        cues = read_cues(questions, rows=elsewhere.rows, contents=elsewhere.texts, encoder=encoder)
        found += [(elsewhere, cue) for cue in cues]
    return found


def keywords_only(question: str) -> str:
    """Return the words of a question that are no stop words, as they are written.

    >>> keywords_only("When did Caroline go to the LGBTQ support group?")
    'Caroline go LGBTQ support group'
    """
    words = (word.strip("?!.,;:\"'()") for word in _WORD.findall(question))
    return " ".join(word for word in words if terms(word)) or question


def build_rows(
    items: Sequence[dict[str, Any]], *, captions: Mapping[str, str], encoder: CachedEncoder
) -> tuple[Rows, list[str]]:
    """Return the rows of batch items of one namespace, and their texts."""
    texts = [item["content"] for item in items]
    plain = [_CAPTION.sub("", text) for text in texts]
    moments = [datetime.fromisoformat(item["observed_at"]) if "observed_at" in item else None for item in items]
    observed = np.array([moment.timestamp() if moment else np.nan for moment in moments], dtype=np.float64)
    n = len(items)
    speakers = tuple(sorted({item["speaker"] for item in items if item.get("speaker")}))
    places = {name: place for place, name in enumerate(speakers)}
    speaker = np.array([places.get(item.get("speaker", ""), NONE) for item in items], dtype=np.int32)
    role = np.array([_role(item) for item in items], dtype=np.int8)
    high, low = np.zeros(n, np.uint64), np.arange(1, n + 1, dtype=np.uint64)
    # Two users may number their sessions alike.
    of_user = [(item.get("user_id"), item["session_id"]) if "session_id" in item else None for item in items]
    given, scope = _numbered(of_user), _numbered([(item.get("user_id"),) for item in items])
    cut = [
        terms(keyword_text(item["content"], speaker=_heading(item), observed_at=moment))
        for item, moment in zip(items, moments, strict=True)
    ]
    described, length = [traits(text) for text in texts], np.array([len(one) for one in cut], dtype=np.int32)
    first_person = np.array([one.first_person for one in described], dtype=np.int8)
    people = are_people(role, first_person, length)
    if people:
        speaker, speakers = with_parties(speaker, speakers, role)
    talks = with_talks(given, scope, speaker, role, observed, high, low)
    # What a turn answers is looked for in its session, where it is stored.
    answered, _ = neighbours(given, observed, high, low)
    said = [
        text[said_from(text, [item.get("speaker"), item.get("role")]) :]
        for text, item in zip(texts, items, strict=True)
    ]
    vectors, keys = _vectors(
        said, plain, answered, captions=[captions[i["external_id"]] for i in items], encoder=encoder
    )
    session = with_series(talks, scope, speaker, observed, high, low, vectors)
    previous, following = neighbours(session, observed, high, low)
    entities, mentions = _mentions(texts, [item.get("speaker") for item in items])
    empty = np.empty(0, dtype=np.int32)
    rows = Rows(
        ids=[UUID(int=place + 1) for place in range(n)],
        vectors=vectors,
        keys=keys,
        observed_at=observed,
        valid_from=np.full(n, np.nan),
        valid_to=np.full(n, np.nan),
        session=session,
        previous=previous,
        following=following,
        speaker=speaker,
        role=role,
        length=length,
        asks=np.array([one.asks for one in described], dtype=np.bool_),
        has_number=np.array([one.has_number for one in described], dtype=np.bool_),
        has_time=np.array([one.has_time for one in described], dtype=np.bool_),
        first_person=first_person,
        superseded=np.zeros(n, dtype=np.bool_),
        speakers=speakers,
        entities=entities,
        postings=postings(cut),
        spans=_spans(texts, moments),
        mentions=mentions,
        links=Links(empty, empty, np.empty(0, dtype=np.float32)),
        documents=n,
        people=people,
        wish=np.array([_wish(item) for item in items], dtype=np.int8),
    )
    return rows, texts


def _heading(item: Mapping[str, Any]) -> str | None:
    """Return whose name is written before a text, where it does not stand there anyway."""
    speaker = item.get("speaker")
    return None if speaker and begins_with(item["content"], speaker) else speaker or item.get("role")


def _spans(texts: Sequence[str], moments: Sequence[datetime | None]) -> Spans:
    """Return the moments that texts speak of, as the enrichment finds them."""
    found = [
        (row, time.starts, time.ends)
        for row, (text, moment) in enumerate(zip(texts, moments, strict=True))
        for time in find_times(text, moment)
    ]
    return Spans(
        np.array([row for row, _, _ in found], dtype=np.int32),
        np.array([-np.inf if start is None else start.timestamp() for _, start, _ in found], dtype=np.float64),
        np.array([np.inf if end is None else end.timestamp() for _, _, end in found], dtype=np.float64),
    )


def _mentions(texts: Sequence[str], spoken_by: Sequence[str | None]) -> tuple[tuple[str, ...], Mentions]:
    """Return the entities that texts name, as the enrichment finds them, and which row names which."""
    people = people_of({speaker for speaker in spoken_by if speaker})
    numbers: dict[str, int] = {}
    pairs = [
        (row, numbers.setdefault(one.folded, len(numbers)))
        for row, (text, speaker) in enumerate(zip(texts, spoken_by, strict=True))
        for one in named_in(text, speaker=speaker, people=people)
    ]
    found = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return tuple(numbers), Mentions(found[:, 0], found[:, 1])


def _wish(item: Mapping[str, Any]) -> WishKind:
    """Return what a memory is tagged as, once consolidation wrote a note on it."""
    if item.get("role") != "user" and (item.get("role") or item.get("speaker")):
        return WishKind.NONE
    wish = wish_in(item["content"])
    return WishKind.NONE if wish is None else WishKind[wish.name]


def _role(item: Mapping[str, Any]) -> Role:
    role = item.get("role", "")
    return Role[role.upper()] if role in ROLES else Role.NONE


def _numbered(sessions: Sequence[Hashable | None]) -> NDArray[np.int32]:
    numbers: dict[Hashable, int] = {}
    return np.array(
        [NONE if one is None else numbers.setdefault(one, len(numbers)) for one in sessions], dtype=np.int32
    )


def _vectors(
    texts: Sequence[str],
    plain: Sequence[str],
    previous: NDArray[np.int32],
    *,
    captions: Sequence[str],
    encoder: CachedEncoder,
) -> tuple[NDArray[np.float32], Keys]:
    first: list[str] = []
    further: list[tuple[int, KeyKind, str]] = []
    for row, text in enumerate(texts):
        said = said_in(text)
        head, *rest = [plain_text(one, escaped=said.escaped) for one in encoder.chunks(text[said.start : said.end])]
        first.append(head)
        further += [(row, KeyKind.CHUNK, part) for part in rest]
        before = previous[row]
        asked = _LAST_SENTENCE.search(plain[before]) if before != NONE else None
        if asked:
            further.append((row, KeyKind.ANSWER, f"{asked.group().strip()} {text}"))
        if captions[row]:
            further.append((row, KeyKind.CAPTION, captions[row]))
    keys = Keys(
        row=np.array([row for row, _, _ in further], dtype=np.int32),
        kind=np.array([kind for _, kind, _ in further], dtype=np.int8),
        vectors=encoder.encode([text for _, _, text in further]),
    )
    return encoder.encode(first), keys


def postings(cut: Sequence[Sequence[str]]) -> dict[str, Postings]:
    """Return where each term stands and how often.

    >>> postings([["cat", "cat"], ["dog", "cat"]])["cat"]
    Postings(row=array([0, 1], dtype=int32), frequency=array([2, 1], dtype=int32))
    """
    counted: dict[str, dict[int, int]] = {}
    for row, one in enumerate(cut):
        for term in one:
            places = counted.setdefault(term, {})
            places[row] = places.get(row, 0) + 1
    return {
        term: Postings(np.array(list(places), dtype=np.int32), np.array(list(places.values()), dtype=np.int32))
        for term, places in counted.items()
    }
