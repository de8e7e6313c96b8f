"""Say in one sentence why a memory was found: what counted most first, and nothing that the numbers do not hold.

A channel's contribution counts what it says by itself and its signals apart: that the speaker whom the query names said
something is another reason than that it is linked to a good match, though both count to the graph channel.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from retrieval import spreading
from retrieval.priors import CHANNEL_OF, SUCCESSION, WISH
from retrieval.query import ParsedQuery
from retrieval.ranking import Ranked, Shown
from retrieval.reranking import RERANKER
from retrieval.router import Route
from retrieval.rows import NONE, Role, Rows
from retrieval.temporal import cue_of

_MOST_WORDS: Final = 6
_LEAST: Final = 1e-6  # a contribution below it is none
_SIGNALS: Final[Mapping[str, str]] = {
    "time": "names a time, and the query asks when",
    "number": "names a number, and the query asks how many",
    "first_person": "speaks in the first person",
    "brief": "says in a few words what was done",
    SUCCESSION: "stands above what it replaces",
    WISH: "asked for once and for all",
    RERANKER: "put up by the reranker",
}
_SILENT: Final = frozenset({"length", "asks"})  # true of too many memories to be a reason


def why(
    rows: Rows, query: ParsedQuery, ranked: Ranked, results: Sequence[Shown], words: Sequence[Sequence[str]]
) -> list[str]:
    """Say of each result why it was found.

    Args:
        rows: What was ranked.
        query: What was understood of the query.
        ranked: The ranking.
        results: What was found, in the order of the answer.
        words: The query's words that stand in each.
    """
    places = {found.row: place for place, found in enumerate(results, start=1)}
    reached = _reached(rows, ranked, results)
    return [
        _sentence(rows, query, ranked, found, matched, places, edge)
        for found, matched, edge in zip(results, words, reached, strict=True)
    ]


def _reached(rows: Rows, ranked: Ranked, results: Sequence[Shown]) -> list[spreading.Reason | None]:
    """Find over which edge activation reached each result, where the graph channel took part."""
    if ranked.activation is None:
        return [None] * len(results)
    settings = spreading.ALONE if set(ranked.channels) == {"graph"} else spreading.DEFAULT
    return spreading.reasons(rows, ranked.activation, [found.row for found in results], settings=settings)


def _sentence(
    rows: Rows,
    query: ParsedQuery,
    ranked: Ranked,
    found: Shown,
    words: Sequence[str],
    places: Mapping[int, int],
    edge: spreading.Reason | None,
) -> str:
    reasons: list[tuple[float, str]] = []
    for name, cell in found.channels.items():
        if cell.rank is None:
            continue
        own = cell.contribution - sum(
            amount for signal, amount in found.signals.items() if _of(signal, found.channels) == name
        )
        said = f"{name} rank {cell.rank}"
        match name:
            case "vector":
                reasons.append((own, f"{said} (cosine {cell.score:.2f})"))
            case "keyword":
                reasons.append((own, f"{said} (matches {', '.join(words[:_MOST_WORDS]) or 'its date'})"))
            case "graph" if edge is not None and (own > _LEAST or len(ranked.channels) == 1):
                reasons.append((own, f"{said} ({edge.text(places.get(edge.via) if edge.via is not None else None)})"))
            case "temporal" if own > _LEAST or len(ranked.channels) == 1:
                reasons.append((own, f"{said} ({_when(rows, query, ranked, found.row, places)})"))
            case "hopfield" if own > _LEAST or len(ranked.channels) == 1:
                reasons.append((own, f"{said} (near to what the query completes to)"))
            case _ if len(ranked.channels) == 1:
                reasons.append((own, f"{said} (score {cell.score:.2f})"))
    told = {signal: amount for signal, amount in found.signals.items() if amount > _LEAST and signal not in _SILENT}
    if "speaker" in told:
        told.pop("role", None)  # whoever is named need not be called the user as well
    reasons += [
        (amount, said) for signal, amount in told.items() for said in [_signal(signal, amount, rows, query, found.row)]
    ]
    return "; ".join(said for _, said in sorted(reasons, key=lambda pair: -pair[0])) or _at_least(found)


def _at_least(found: Shown) -> str:
    """Say what there is to say of a memory for which no channel speaks."""
    name = max(found.channels, key=lambda channel: found.channels[channel].contribution, default="")
    return f"{name} contributes {found.channels[name].contribution:+.2f}" if name else "nothing speaks for it"


def _of(signal: str, channels: Mapping[str, object]) -> str | None:
    if signal == RERANKER:
        return None
    name = CHANNEL_OF.get(signal, "vector")
    return "vector" if name == "keyword" and "keyword" not in channels else name


def _signal(name: str, amount: float, rows: Rows, query: ParsedQuery, row: int) -> str:
    if name == "speaker" and query.speaker is not None:
        return f"said by {query.speaker}, whom the query names"
    if name == "date":
        return _dated(rows, query, row) or "near the time the query names"
    if name == "role":
        return "said by the user" if rows.role[row] == Role.USER else "not said by the assistant"
    return _SIGNALS.get(name, f"{name} {amount:+.2f}")


def _when(rows: Rows, query: ParsedQuery, ranked: Ranked, row: int, places: Mapping[int, int]) -> str:
    """Say what the temporal channel goes by: the dates asked for where it stands alone, else what stands around."""
    said = []
    if len(ranked.channels) == 1:
        said += [dated for dated in [_dated(rows, query, row)] if dated is not None]
        said += [f"{word} of what was found" for word, asked in _orders(query) if asked]
    turns = (rows.following,) if ranked.routing.route is Route.STATEMENT else (rows.previous, rows.following)
    beside = sorted(places[int(turn[row])] for turn in turns if int(turn[row]) != NONE and int(turn[row]) in places)
    if beside:
        said.append(f"next to rank {beside[0]}")
    elif not said:
        said.append("what stands around it fits")
    return ", ".join(said)


def _orders(query: ParsedQuery) -> tuple[tuple[str, bool], ...]:
    return ("ordered by the latest", query.asks_latest), ("ordered by the earliest", query.asks_earliest)


def _dated(rows: Rows, query: ParsedQuery, row: int) -> str | None:
    """Say how a memory falls into a time that the query names, None where it only comes near."""
    spans, observed, begins = _spans(rows, row), float(rows.observed_at[row]), float(rows.valid_from[row])
    inside: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
        ("speaks of", lambda start, end: any(s < end and e > start for s, e in spans)),
        ("observed", lambda start, end: start <= observed < end),
        ("true from", lambda start, end: start <= begins < end),
    )
    for asked, period in zip(query.dates, cue_of(query).periods, strict=True):
        for verb, holds in inside:
            if holds(period.start, period.end):
                return f'{verb} the time asked for, "{asked.phrase}"'
    return None


def _spans(rows: Rows, row: int) -> list[tuple[float, float]]:
    mine = (rows.spans.row == row).nonzero()[0]
    return list(zip(rows.spans.start[mine].tolist(), rows.spans.end[mine].tolist(), strict=True))
