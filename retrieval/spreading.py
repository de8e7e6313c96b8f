"""The graph channel: activation spreads from what a query names and finds, over what memories have in common.

Nodes are the rows and the entities they name. Edges are mentions (a membership list, never cliques), neighbours in a
session, and links. This is personalised PageRank with restart, cut after a few hops (Page et al. 1999, section 6; Haveliwala
2002): without the restart every query would end on the same hubs. With s the seeds, a_i the activation of node i, w_ij
the weight of an edge and W_i the sum of the weights at i,

    a ← restart · s + (1 − restart) · (Σ_i a_i w_ij / max(1, W_i) + what is left over · s).

An edge between a row and an entity weighs rarity = ln((n+1)/(degree+1)) / ln(n+1), a share of all there is to know: 0 for
what every row names, such as a speaker, near 1 for what few do. A row whose edges weigh less than 1 in all keeps the rest
back, and it returns to the seeds. An entity spreads evenly over its rows, so what each gets falls with the degree. The
sum of all activation stays 1, and many hops end where `networkx.pagerank` ends (a test).

A row's score is the activation that reached it over edges, not what it had as a seed: the channel adds what the others
do not see. Asked alone (`ALONE`), seeds keep theirs, and neighbours in the session take part; in the fused ranking they
are the business of `contiguity`, and counting them twice cost 1 to 2 points on questions with scattered evidence. Where a query
only hints at what it wants (the statement route), the best matches by content are the wrong seeds: leave the channel out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.names import fold_name, people_of
from retrieval.query import ParsedQuery
from retrieval.rows import NONE, Rows

_LONGEST_NAME: Final = 4  # words of a name looked for in a query without capitals
_MOST_WORDS: Final = 64  # words of such a query that are looked at
_TRACE: Final = 1e-9  # activation below this is none


@dataclass(frozen=True, slots=True)
class SpreadingSettings:
    """How activation spreads."""

    hops: int = 3  # steps along edges: row → entity → row are two
    restart: float = 0.4
    strongest: int = 20  # rows of the content match that are seeds
    named: float = 0.2  # share of the seeds for entities that the query names
    adjacent: float = 0.0  # weight of an edge to the turn before or after
    linked: float = 0.5  # weight of a link of weight 1
    budget: int = 2_000  # rows that are active at a time; the weakest beyond it fall silent
    keep_seeds: bool = False  # whether what a row had as a seed counts in its score


DEFAULT: Final = SpreadingSettings()  # to be fused with channels that found the seeds and weigh neighbours
ALONE: Final = SpreadingSettings(adjacent=0.1, keep_seeds=True)


@dataclass(frozen=True, slots=True)
class Edges:
    """What n rows have in common: m mentions of e entities, neighbours, l links."""

    row: NDArray[np.int32]  # (m,) of a mention
    entity: NDArray[np.int32]  # (m,)
    degree: NDArray[np.intp]  # (e,) rows that name each entity
    telling: NDArray[np.float64]  # (e,) rarity of each
    previous: NDArray[np.int32]  # (n,) NONE where there is none
    following: NDArray[np.int32]  # (n,)
    source: NDArray[np.int32]  # (l,)
    target: NDArray[np.int32]  # (l,)
    weight: NDArray[np.float64]  # (l,) 0..1


@dataclass(frozen=True, slots=True)
class Activation:
    """Where the activation went."""

    score: NDArray[np.float64]  # (n,) what counts for ranking, NaN where nothing arrived
    row: NDArray[np.float64]  # (n,) activation of rows after the last hop; with that of entities it sums to 1
    entity: NDArray[np.float64]  # (e,)
    given: NDArray[np.float64]  # (n,) what a row gave over an edge of weight 1 in the last hop
    shared: NDArray[np.float64]  # (e,) what an entity gave to each of its rows in the last hop
    seed: NDArray[np.float64]  # (n,) of rows


class Path(StrEnum):
    """Over what kind of edge a row was reached."""

    MENTIONS = "mentions"
    NEXT_TO = "next to"
    LINKED = "linked"


@dataclass(frozen=True, slots=True)
class Reason:
    """The edge over which most of a row's activation came.

    Attributes:
        path: The kind of edge.
        entity: The name, folded, of the entity between; None for other edges.
        via: The row at the other end, or for an entity the most active row that names it too; None where only the
            query named the entity.
    """

    path: Path
    entity: str | None
    via: int | None

    def text(self, rank: int | None = None) -> str:
        """Say it in words, with the rank of the row it came by where that is known.

        >>> Reason(Path.MENTIONS, "lisbon", 4).text(2), Reason(Path.NEXT_TO, None, 4).text(3), Reason(Path.LINKED, None, 1).text()
        ('mentions lisbon, as rank 2 does', 'next to rank 3', 'linked')
        """
        if self.path is Path.MENTIONS:
            return f"mentions {self.entity}" + (f", as rank {rank} does" if rank is not None else "")
        if rank is None:
            return self.path.value
        return f"next to rank {rank}" if self.path is Path.NEXT_TO else f"linked to rank {rank}"


def score(
    rows: Rows, query: ParsedQuery, match: NDArray[np.float64], *, settings: SpreadingSettings = DEFAULT
) -> NDArray[np.float64]:
    """Return ``spread(...).score``: (n,) activation that arrived at each row, higher is better, NaN where none did."""
    return spread(rows, query, match, settings=settings).score


def spread(
    rows: Rows, query: ParsedQuery, match: NDArray[np.float64], *, settings: SpreadingSettings = DEFAULT
) -> Activation:
    """Spread activation from the entities that a query names and the rows that match it best.

    Args:
        rows: What there is to find.
        query: What was understood of the query; its names are seeds.
        match: (n,) how well each row fits by content, such as the fused score of vectors and words; NaN for rows that
            may not be a seed.
        settings: How to spread.

    See `flow` for an example worked by hand.
    """
    edges = rows.once("edges", lambda: edges_of(rows))
    return flow(edges, seeds(match, settings.strongest), _named(rows, edges, query), settings=settings)


def edges_of(rows: Rows) -> Edges:
    """Return the edges of rows; a pass over the mentions."""
    degree = np.bincount(rows.mentions.entity, minlength=len(rows.entities))
    return Edges(
        row=rows.mentions.row,
        entity=rows.mentions.entity,
        degree=degree,
        telling=rarity(degree, len(rows)),
        previous=rows.previous,
        following=rows.following,
        source=rows.links.source,
        target=rows.links.target,
        weight=rows.links.weight.astype(np.float64),
    )


def rarity(degree: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    """Say what naming an entity tells: (e,) in 0..1; 0 for one that leads nowhere, as a single row names it.

    Of 7 rows one entity is named by 7, one by 3, one by 1: ln(8/8) / ln 8 = 0, ln(8/4) / ln 8 = 1/3, and none.

    >>> rarity(np.array([7, 3, 1]), 7).round(3).tolist()
    [0.0, 0.333, 0.0]
    """
    if n == 0:
        return np.zeros(len(degree))
    return np.where(degree > 1, np.log((n + 1) / (degree + 1.0)) / np.log(n + 1.0), 0.0)


def seeds(match: NDArray[np.float64], strongest: int) -> NDArray[np.float64]:
    """Share 1 among the rows that match best, by their lead over the first that is none: (n,) → (n,).

    Two seeds of leads 3 − 1 and 2 − 1:

    >>> seeds(np.array([1.0, 3.0, 2.0, np.nan]), 2).round(3).tolist()
    [0.0, 0.667, 0.333, 0.0]
    """
    result = np.zeros(len(match))
    known = np.flatnonzero(np.isfinite(match))
    if not len(known) or strongest < 1:
        return result
    if len(known) > strongest:
        floor = float(np.partition(match[known], len(known) - strongest - 1)[len(known) - strongest - 1])
        known = known[match[known] > floor]
    else:
        floor = float(match[known].min())
    lead = match[known] - floor
    result[known] = lead / lead.sum() if lead.sum() > 0 else 1 / max(1, len(known))
    return result


def flow(
    edges: Edges,
    seed: NDArray[np.float64],
    named: NDArray[np.float64],
    *,
    settings: SpreadingSettings = DEFAULT,
) -> Activation:
    """Let activation flow from seeds, (n,) rows and (e,) entities, each in any unit.

    Three rows; rows 0 and 1 name the same rare entity (telling 1, for the sake of the example), row 2 none. The seed is
    row 0, two hops, restart ½, no names. After hop 1 half is back on row 0, half on the entity. In hop 2 the entity gives
    ¼ to each of its rows, of which ½ · ¼ = .125 remains as arrived; row 0 had that much as well, over the same edge.

    >>> none = np.array([-1, -1, -1], np.int32)
    >>> empty = np.array([], np.int32)
    >>> edges = Edges(np.array([0, 1]), np.array([0, 0]), np.array([2]), np.array([1.0]), none, none, empty, empty, np.array([]))
    >>> spreading = SpreadingSettings(hops=2, restart=0.5)
    >>> flow(edges, np.array([1.0, 0.0, 0.0]), np.zeros(1), settings=spreading).score.tolist()
    [0.125, 0.125, nan]
    """
    seed, named = _shared(seed, named, settings.named)
    weight = edges.telling[edges.entity]
    out = settings.linked * edges.weight
    neighbours = (edges.previous != NONE).astype(np.float64) + (edges.following != NONE)
    total = np.bincount(edges.row, weights=weight, minlength=len(seed)) + settings.adjacent * neighbours
    if len(out):
        total += np.bincount(edges.source, weights=out, minlength=len(seed))
        total += np.bincount(edges.target, weights=out, minlength=len(seed))
    scale = 1 / np.maximum(total, 1.0)
    per_row = np.where(edges.telling > 0, 1 / np.maximum(edges.degree, 1), 0.0)
    row, entity = seed, named
    arrived, given, shared = np.zeros_like(seed), np.zeros_like(seed), np.zeros_like(named)
    for _ in range(settings.hops):
        given, shared = row * scale, entity * per_row
        arrived = np.bincount(edges.row, weights=shared[edges.entity], minlength=len(seed)).astype(np.float64)
        if settings.adjacent > 0:
            # The place behind the last is where NONE points to.
            passed = np.append(settings.adjacent * given, 0.0)
            arrived += passed[edges.previous] + passed[edges.following]
        if len(out):
            arrived += np.bincount(edges.target, weights=given[edges.source] * out, minlength=len(seed))
            arrived += np.bincount(edges.source, weights=given[edges.target] * out, minlength=len(seed))
        entered = np.bincount(edges.entity, weights=given[edges.row] * weight, minlength=len(named))
        arrived = _strongest_only(arrived, settings.budget)
        back = settings.restart + (1 - settings.restart) * (1 - float(arrived.sum()) - float(entered.sum()))
        row = back * seed + (1 - settings.restart) * arrived
        entity = back * named + (1 - settings.restart) * entered
    counted = row if settings.keep_seeds else (1 - settings.restart) * arrived
    return Activation(
        score=np.where(counted > _TRACE, counted, np.nan), row=row, entity=entity, given=given, shared=shared, seed=seed
    )


def reasons(
    rows: Rows, activation: Activation, chosen: Sequence[int], *, settings: SpreadingSettings = DEFAULT
) -> list[Reason | None]:
    """Say of some rows over which edge most of their activation came; None where none arrived.

    Args:
        rows: What the activation spread over.
        activation: What `spread` answered.
        chosen: Rows to explain.
        settings: Those of `spread`.
    """
    named, seeds_of = _entities(rows, activation, chosen)
    return [_reason(rows, activation, row, named.get(row, ()), seeds_of, settings) for row in chosen]


def _entities(
    rows: Rows, activation: Activation, chosen: Sequence[int]
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return the entities of the chosen rows, and the seeds that name each entity, the strongest first.

    One pass over the mentions: there are many more of them than there are chosen rows and seeds.
    """
    wanted = activation.seed > 0
    wanted[np.asarray(chosen, dtype=np.intp)] = True
    at = np.flatnonzero(wanted[rows.mentions.row])
    strength = {row: float(activation.seed[row]) for row in np.flatnonzero(activation.seed > 0).tolist()}
    named: dict[int, list[int]] = {}
    seeds_of: dict[int, list[int]] = {}
    for row, entity in zip(rows.mentions.row[at].tolist(), rows.mentions.entity[at].tolist(), strict=True):
        named.setdefault(row, []).append(entity)
        if row in strength:
            seeds_of.setdefault(entity, []).append(row)
    for naming in seeds_of.values():
        naming.sort(key=lambda row: (-strength[row], row))
    return named, seeds_of


def _reason(
    rows: Rows,
    activation: Activation,
    row: int,
    named: Sequence[int],
    seeds_of: Mapping[int, Sequence[int]],
    settings: SpreadingSettings,
) -> Reason | None:
    found: list[tuple[float, Reason]] = []
    for entity in named:
        via = next((other for other in seeds_of.get(entity, ()) if other != row), None)
        found.append((float(activation.shared[entity]), Reason(Path.MENTIONS, rows.entities[entity], via)))
    for other in (int(rows.previous[row]), int(rows.following[row])):
        if other != NONE:
            found.append((settings.adjacent * float(activation.given[other]), Reason(Path.NEXT_TO, None, other)))
    for here, there in ((rows.links.target, rows.links.source), (rows.links.source, rows.links.target)):
        for at in np.flatnonzero(here == row).tolist():
            other = int(there[at])
            amount = settings.linked * float(rows.links.weight[at]) * float(activation.given[other])
            found.append((amount, Reason(Path.LINKED, None, other)))
    best = max(found, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] > _TRACE else None


def _shared(
    seed: NDArray[np.float64], named: NDArray[np.float64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring seeds to a sum of 1, of which named entities have a share; all of it when no row is a seed."""
    rows, entities = float(seed.sum()), float(named.sum())
    of_entities = 0.0 if entities == 0 else share if rows > 0 else 1.0
    return (
        seed * ((1 - of_entities) / rows) if rows > 0 else seed,
        named * (of_entities / entities) if entities > 0 else named,
    )


def _strongest_only(activation: NDArray[np.float64], budget: int) -> NDArray[np.float64]:
    """Silence all but the strongest rows; those that tie with the first one too many are silent, too."""
    if np.count_nonzero(activation) <= budget:
        return activation
    floor = np.partition(activation, len(activation) - budget - 1)[len(activation) - budget - 1]
    return np.where(activation > floor, activation, 0.0)


def _named(rows: Rows, edges: Edges, query: ParsedQuery) -> NDArray[np.float64]:
    """Weigh the entities that a query names by their rarity: (e,), 0 for the others."""
    weights = np.zeros(len(rows.entities))
    wanted = names_in(query, speakers=rows.speakers)
    wanted |= frozenset().union(*(rows.aliases[name] for name in wanted if name in rows.aliases))
    places = rows.once("entities", lambda: {name: place for place, name in enumerate(rows.entities)})
    for place in (places[name] for name in wanted if name in places):
        weights[place] = edges.telling[place]
    return weights


def names_in(query: ParsedQuery, *, speakers: Sequence[str]) -> frozenset[str]:
    """Return the canonical names, folded, that a query may mean; most of them need not exist.

    A short form of a speaker's name may be the name of somebody else as well. A query without any capital names what it
    likes to: there every run of words may be a name.

    >>> from retrieval.query import parse_query
    >>> sorted(names_in(parse_query("Where did Mel meet Tom?", speakers=["Melanie"]), speakers=["Melanie"]))
    ['mel', 'melanie', 'tom']
    >>> sorted(names_in(parse_query("tom in new york"), speakers=[]))
    ['in', 'in new', 'in new york', 'new', 'new york', 'tom', 'tom in', 'tom in new', 'tom in new york', 'york']
    """
    people = people_of(speakers)
    written = [fold_name(name) for name in query.names]
    if query.speaker is not None:
        written.append(fold_name(query.speaker))
    if query.text == query.text.lower():
        words = fold_name(query.text.strip("?!. ")).split()[:_MOST_WORDS]
        written += [
            " ".join(words[at : at + size])
            for size in range(1, _LONGEST_NAME + 1)
            for at in range(len(words) - size + 1)
        ]
        return frozenset(people.named(name) or name for name in written if name)
    return frozenset(meant for name in written if name for meant in (name, people.addressed(name)) if meant)
