"""Let memories evolve with what they are linked to (A-MEM, section 3.3).

What several linked memories share, and the text of a memory bears out, becomes a keyword or a tag of it, as a new version.
Content never changes, nothing is taken away, and nothing comes in that the text does not say: every stem of a new keyword
or tag stands in the text, and at least one in none that was there. What linked memories share is read from their own texts
(`vocabulary`), so that what one memory learned is no reason for the next, and evolving again over the same links changes
nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from consolidation.planning import Change, Join, Part, Revise, Step, Why
from consolidation.records import Considered, Record
from consolidation.zettelkasten.titles import FILLERS
from consolidation.zettelkasten.vocabulary import CHOSEN, Vocabulary
from memory_service.analysis.names import people_of
from memory_service.analysis.wishes import WISHES


@dataclass(frozen=True, slots=True)
class EvolutionSettings:
    """What it takes for a keyword or tag to come to a memory."""

    support: int = 3  # linked memories that have it
    keywords: int = CHOSEN + 3  # of a memory, those that came with the text among them
    tags: int = 5


DEFAULT: Final = EvolutionSettings()


def plan_evolution(
    considered: Sequence[Considered],
    links: Iterable[Change] = (),
    *,
    revised: Iterable[Change] = (),
    settings: EvolutionSettings = DEFAULT,
    without: Iterable[UUID] = (),
    vocabulary: Vocabulary | None = None,
) -> list[Change]:
    """Plan what considered memories and their neighbours gain by their links.

    Args:
        considered: memories that are new to consolidation, with their neighbours and the links that there are.
        links: what the same run plans for links; the joined count, the parted do not.
        revised: what the same run plans for notes; a tag that a note brings is not brought again.
        settings: what it takes.
        without: memories that leave the results in the same run.
        vocabulary: words of records that other steps of the run have worked out.

    What stands behind a memory that is not among those given is not seen: support is what is seen at least.
    """
    gone = set(without)
    records = {record.id: record for record in _records(considered) if record.id not in gone}
    noted = {change.memory.id: change.fields for change in revised if isinstance(change, Revise)}
    linked = _linked(considered, links)
    vocabulary = vocabulary or Vocabulary()
    changes: list[Change] = []
    for one in sorted(records, key=lambda i: i):
        record = records[one]
        near = [records[other] for other in sorted(linked.get(one, ())) if other in records]
        tags = [*record.tags, *noted.get(one, {}).get("tags", ())]
        fields, support = gained(record, near, tags, vocabulary, settings=settings)
        if fields:
            reason = f"{' and '.join(sorted(fields))} that linked memories share and the text bears out"
            changes.append(Revise(record.ref, fields, Why(Step.LINKS, reason, score=float(support))))
    return changes


def one_revision_each(changes: Iterable[Change]) -> list[Change]:
    """Put the revisions of each memory together: what a note fills and what evolution brings are one new version of it.

    >>> from consolidation.records import Ref
    >>> one = Ref(UUID(int=1), 4)
    >>> note = Revise(one, {"title": "A lake"}, Why(Step.NOTES, "filled title"), in_place=True)
    >>> gain = Revise(one, {"tags": ["lake"]}, Why(Step.LINKS, "tags that linked memories share"))
    >>> (both,) = one_revision_each([note, gain])
    >>> dict(both.fields), both.in_place, both.why.reason
    ({'title': 'A lake', 'tags': ['lake']}, False, 'filled title; tags that linked memories share')
    """
    place: dict[UUID, int] = {}
    result: list[Change] = []
    for change in changes:
        if not isinstance(change, Revise):
            result.append(change)
        elif change.memory.id not in place:
            place[change.memory.id] = len(result)
            result.append(change)
        else:
            at = place[change.memory.id]
            first = result[at]
            assert isinstance(first, Revise)
            why = replace(first.why, reason=f"{first.why.reason}; {change.why.reason}")
            result[at] = Revise(
                first.memory, {**first.fields, **change.fields}, why, in_place=first.in_place and change.in_place
            )
    return result


def gained(
    record: Record,
    near: Sequence[Record],
    tags: Sequence[str],
    vocabulary: Vocabulary,
    *,
    settings: EvolutionSettings = DEFAULT,
) -> tuple[dict[str, list[str]], int]:
    """Return the keywords and tags with what comes to a memory, where anything does, and the least support of those.

    Args:
        record: the memory.
        near: memories that are linked with it.
        tags: the tags that it has.
        vocabulary: words of records.
        settings: what it takes.

    Three linked memories have "pottery class"; the text has both words, but its keywords are others:

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2024, 5, 8, 12, tzinfo=UTC)
    >>> def said(number, content, keywords):
    ...     return Record(UUID(int=number), 1, content, noon, noon, keywords=keywords, computed=frozenset({"keywords"}))
    >>> others = [said(n, "The pottery class.", ("pottery class",)) for n in (2, 3, 4)]
    >>> one = said(1, "After my pottery classes I slept.", ("slept",))
    >>> gained(one, others, [], Vocabulary())
    ({'keywords': ['slept', 'pottery class'], 'tags': ['pottery class']}, 3)
    >>> gained(one, others[:2], [], Vocabulary())
    ({}, 0)
    """
    shared = _shared(record, near, vocabulary, support=settings.support)
    if not shared:
        return {}, 0
    fields: dict[str, list[str]] = {}
    used: list[int] = []
    # What a caller stated is all that there is to state.
    may = {
        "keywords": "keywords" in record.computed or not record.keywords,
        "tags": "tags" in record.computed or not record.tags,
    }
    present = {"keywords": list(record.keywords), "tags": list(tags)}
    for name, most in (("keywords", settings.keywords), ("tags", settings.tags)):
        if not may[name]:
            continue
        covered = set().union(*(vocabulary.stems(one, record.language) for one in present[name]))
        new: list[_Phrase] = []
        for phrase in shared:
            if name == "tags" and phrase.written in WISHES:
                continue  # it would say that the memory is one
            if len(present[name]) + len(new) < most and not phrase.stems <= covered:
                new.append(phrase)
                covered |= phrase.stems
        if new:
            fields[name] = [*present[name], *(phrase.written for phrase in new)]
            used += [phrase.support for phrase in new]
    return fields, min(used, default=0)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What several linked memories share: its stems, how it is written, and how many of them have it."""

    stems: frozenset[str]
    written: str
    support: int


def _shared(record: Record, near: Sequence[Record], vocabulary: Vocabulary, *, support: int) -> list[_Phrase]:
    """Return what so many linked memories share and the text of a memory bears out, what most of them have first."""
    if len(near) < support:
        return []
    counts: Counter[frozenset[str]] = Counter()
    written: dict[frozenset[str], str] = {}
    for other in near:
        words = vocabulary.words(other)
        for phrase, stems in zip(words.keywords, words.phrases, strict=True):
            if stems and (stems not in written or phrase < written[stems]):
                written[stems] = phrase
        counts.update({stems for stems in words.phrases if stems})
    phrases = [_Phrase(stems, written[stems], count) for stems, count in counts.items() if count >= support]
    if not phrases:
        return []
    borne_out = vocabulary.text(record)
    # Names have their own place, and turns that speak to one person are not about that person.
    speakers = {words.speaker for words in map(vocabulary.words, (record, *near)) if words.speaker}
    people = people_of(speakers)
    unfit = vocabulary.words(record).names | FILLERS
    fitting = [
        one
        for one in phrases
        if one.stems <= borne_out and one.written not in unfit and not people.addressed(one.written)
    ]
    return sorted(fitting, key=lambda one: (-one.support, -len(one.stems), one.written))


def _records(considered: Iterable[Considered]) -> Iterator[Record]:
    for one in considered:
        yield one.record
        for neighbour in one.neighbours:
            yield neighbour.record


def _linked(considered: Sequence[Considered], links: Iterable[Change]) -> dict[UUID, set[UUID]]:
    """Return which memories are linked with which, whatever the type, when the plan is carried out."""
    planned = list(links)
    parted = {change.link_id for change in planned if isinstance(change, Part)}
    pairs = {(edge.source, edge.target) for one in considered for edge in one.edges if edge.id not in parted} | {
        (change.source, change.target) for change in planned if isinstance(change, Join)
    }
    linked: dict[UUID, set[UUID]] = {}
    for source, target in pairs:
        linked.setdefault(source, set()).add(target)
        linked.setdefault(target, set()).add(source)
    return linked
