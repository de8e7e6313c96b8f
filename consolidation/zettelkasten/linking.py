"""Link memories that belong together, as one puts a new note beside old ones in a Zettelkasten (A-MEM, section 3.2).

    score = cosine · a + keywords shared · b + entities shared · c

A neighbour is accepted when its score lies in the higher mode of the scores of all neighbours (`mixture`) and above a
floor. A link leads from the later memory to the earlier one. Each memory points at its best few, and is pointed at by the
best few that would: then the links that there are do not depend on the order in which memories were considered, and
considering them again changes nothing. Neighbours in a session get no link for that: where a turn stands is known.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.planning import Change, Join, Part, Step, Why
from consolidation.records import Considered, Edge, Record
from consolidation.zettelkasten.mixture import higher_mode
from consolidation.zettelkasten.saying import Saying, agreement
from consolidation.zettelkasten.vocabulary import Vocabulary, Words
from memory_service.types import CALLER, LinkType

# What rules can say of two memories that belong together.
LINKED_BY_RULES: Final = frozenset({LinkType.SIMILAR, LinkType.SAME_ENTITY, LinkType.SUPPORTS, LinkType.CONTRADICTS})


@dataclass(frozen=True, slots=True)
class LinkingSettings:
    """What makes a link, and how many there are.

    Of pairs of which one is among the 20 nearest of the other, those that answer one question together were told from the
    rest best by about four parts cosine, one part keywords and one part entities (logistic regression on three sets of
    conversations).
    """

    cosine: float = 0.7
    keywords: float = 0.15
    entities: float = 0.15
    floor: float = 0.4  # of a score in the higher mode
    plain: float = 0.5  # of a score where neighbours have no two modes
    chance: float = 0.5  # to be of the higher mode
    telling: float = 0.5  # of shared entities, from which a link is for their sake
    outgoing: int = 8
    incoming: int = 16  # 24 with those that go out


DEFAULT: Final = LinkingSettings()


@dataclass(frozen=True, slots=True)
class Scored:
    """One neighbour with what speaks for a link."""

    record: Record
    cosine: float
    keywords: float  # Jaccard
    entities: float  # 0..1
    score: float  # 0..1


def plan_links(
    considered: Sequence[Considered],
    now: datetime,
    *,
    settings: LinkingSettings = DEFAULT,
    without: Iterable[UUID] = (),
    vocabulary: Vocabulary | None = None,
) -> list[Change]:
    """Plan the links of memories that are new to consolidation.

    Args:
        considered: those memories, with their neighbours and the links that there are.
        now: the moment of the run; it decides nothing here.
        settings: what makes a link.
        without: memories that leave the results in the same run.
        vocabulary: words of records that other steps of the run have worked out.
    """
    vocabulary = vocabulary or Vocabulary()
    gone = set(without)
    kept = [one for one in considered if one.record.id not in gone]
    scored = [score_neighbours(one, vocabulary, settings=settings, without=gone) for one in kept]
    # Many memories have the same neighbours: a link stands with each of them.
    edges = {edge.id: edge for one in kept for edge in one.edges}
    links = _Links(edges.values(), incoming=settings.incoming)
    for one, found in zip(kept, _accepted(scored, settings), strict=True):
        for place in found[: settings.outgoing]:
            links.offer(one.record.id, place, type_of(one.record, place, settings=settings))
    return links.changes()


def score_neighbours(
    one: Considered,
    vocabulary: Vocabulary,
    *,
    settings: LinkingSettings = DEFAULT,
    without: Iterable[UUID] = (),
) -> list[Scored]:
    """Score the neighbours of a memory, the best first; what is about nothing ("Wow, thanks!") has none."""
    gone = set(without)
    own = vocabulary.words(one.record)
    others = [n for n in one.neighbours if n.record.id not in gone]
    speakers = {own.speaker, *(vocabulary.words(n.record).speaker for n in others)}
    near = [n for n in others if _has_topic(vocabulary.words(n.record), speakers)]
    if not near or not _has_topic(own, speakers):
        return []
    words = [vocabulary.words(n.record) for n in near]
    rarity = _rarity([own, *words], speakers)
    found = []
    for neighbour, other in zip(near, words, strict=True):
        keywords = jaccard(own.stems, other.stems)
        entities = min(1.0, sum(rarity.get(name, 0.0) for name in own.names & other.names))
        score = (
            settings.cosine * max(0.0, neighbour.cosine) + settings.keywords * keywords + settings.entities * entities
        )
        found.append(Scored(neighbour.record, neighbour.cosine, keywords, entities, min(1.0, score)))
    return sorted(found, key=lambda s: (-s.score, s.record.id))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of what two sets have together that both have; 0 for nothing at all.

    >>> jaccard(frozenset("ab"), frozenset("bcd"))
    0.25
    """
    return len(a & b) / len(a | b) if a and b else 0.0


def _has_topic(words: Words, speakers: Collection[str | None]) -> bool:
    return bool(words.stems) or not words.names.issubset(speakers)


def _rarity(words: Sequence[Words], speakers: Collection[str | None]) -> dict[str, float]:
    """Say what sharing a name tells among these n records: ln((n+1)/(m+1)) / ln(n+1) for one that m of them have.

    Who speaks among them tells nothing: turns name the other all the time.
    """
    named: dict[str, int] = {}
    for one in words:
        for name in one.names:
            named[name] = named.get(name, 0) + 1
    n = len(words)
    return {
        name: math.log((n + 1) / (m + 1)) / math.log(n + 1)
        for name, m in named.items()
        if name not in speakers and m > 1
    }


def _accepted(scored: Sequence[Sequence[Scored]], settings: LinkingSettings) -> list[list[Scored]]:
    """Return those of each memory's neighbours that stand out, the best first."""
    most = max((len(some) for some in scored), default=0)
    table: NDArray[np.float64] = np.full((len(scored), most), np.nan)
    for row, some in enumerate(scored):
        table[row, : len(some)] = [one.score for one in some]
    chances = higher_mode(table)
    found = []
    for row, some in enumerate(scored):
        accepted = []
        for place, one in enumerate(some):
            chance = float(chances[row, place])
            plain = math.isnan(chance) and one.score >= settings.plain
            if plain or (chance > settings.chance and one.score >= settings.floor):
                accepted.append(one)
        found.append(accepted)
    return found


def type_of(record: Record, other: Scored, *, settings: LinkingSettings = DEFAULT) -> LinkType:
    """Say what kind of link joins a memory to an accepted neighbour."""
    match agreement(record, other.record, cosine=other.cosine):
        case Saying.SAME:
            return LinkType.SUPPORTS
        case Saying.OPPOSITE:
            return LinkType.CONTRADICTS
        case _:
            return LinkType.SAME_ENTITY if other.entities >= settings.telling else LinkType.SIMILAR


@dataclass(frozen=True, slots=True)
class _Held:
    """A link that there is, or that is planned."""

    weight: float
    source: UUID
    join: Join | None = None  # None for one that there is
    id: UUID | None = None
    stays: bool = False  # a caller drew it


class _Links:
    """Links as they will be, with at most so many that lead to one memory."""

    def __init__(self, edges: Iterable[Edge], *, incoming: int) -> None:
        self._incoming = incoming
        self._to: dict[UUID, dict[UUID, _Held]] = {}  # target → source → link; of types that rules give
        self._parted: dict[UUID, Part] = {}
        for edge in edges:
            if edge.type in LINKED_BY_RULES:
                stays = edge.method == CALLER
                held = self._to.setdefault(edge.target, {})
                if stays or edge.source not in held:
                    held[edge.source] = _Held(edge.weight, edge.source, id=edge.id, stays=stays)

    def offer(self, source: UUID, found: Scored, kind: LinkType) -> None:
        """Join two memories, unless they are joined, or the target has enough that are stronger."""
        target = found.record.id
        held = self._to.setdefault(target, {})
        if source in held or target == source:
            return
        weight = round(found.score, 4)
        why = Why(Step.LINKS, _REASONS[kind], score=round(found.score if kind in _BY_SCORE else found.cosine, 4))
        new = _Held(weight, source, join=Join(source, target, kind.value, weight, why))
        if len(held) >= self._incoming:
            weakest = min((one for one in held.values() if not one.stays), key=_strength, default=None)
            if weakest is None or _strength(new) <= _strength(weakest):
                return
            del held[weakest.source]
            if weakest.id is not None:
                self._parted[weakest.id] = Part(
                    weakest.id, Why(Step.LINKS, "stronger links came", score=weakest.weight)
                )
        held[source] = new

    def changes(self) -> list[Change]:
        """Return what has to change for that."""
        joins = [held.join for some in self._to.values() for held in some.values() if held.join is not None]
        return [
            *sorted(self._parted.values(), key=lambda part: part.link_id),
            *sorted(joins, key=lambda join: (join.source, join.target)),
        ]


def _strength(held: _Held) -> tuple[float, UUID]:
    return held.weight, held.source


_BY_SCORE: Final = frozenset({LinkType.SIMILAR, LinkType.SAME_ENTITY})
_REASONS: Final[Mapping[LinkType, str]] = {
    LinkType.SIMILAR: "nearer than the other neighbours",
    LinkType.SAME_ENTITY: "near, and names what few others do",
    LinkType.SUPPORTS: "another source says nearly the same",
    LinkType.CONTRADICTS: "another source says nearly the same, negated",
}
