"""Measure what planned links are worth to the graph channel: recall with links of some types, against none.

    python -m benchmarks.ablation_links --data FOLDER [--sets locomo realtalk beam plus] [--cache FOLDER]

Links are planned over each conversation as a run of consolidation plans them, and handed to the ranking in memory.
"""

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from benchmarks.ablation import add_data_options, load_set, open_encoder
from benchmarks.ablation_data import Space
from benchmarks.ablation_ranks import Placed, ask_all, by_category, counted, recalls
from benchmarks.ablation_setup import Setup
from consolidation.enrichment import enrich
from consolidation.neighbourhood import neighbourhood
from consolidation.planning import Join
from consolidation.records import Considered, Neighbour, Record
from consolidation.zettelkasten.linking import plan_links
from memory_service.types import LinkType
from retrieval.rows import NONE, Links, Role

_TOLD: Final = (
    ("similar", frozenset({LinkType.SIMILAR})),
    ("same_entity", frozenset({LinkType.SAME_ENTITY})),
    ("the others", frozenset(LinkType) - {LinkType.SIMILAR, LinkType.SAME_ENTITY}),
    ("all", frozenset(LinkType)),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation_links")
    add_data_options(parser)
    options = parser.parse_args(argv)
    encoder = open_encoder(options.cache)
    setup = Setup()
    for name in options.sets:
        spaces = load_set(options.data, name, encoder)
        planned = [joins(space) for space in spaces]
        none = ask_all(spaces, setup.rank, form=setup.form)
        print(f"\n{name}: {_counts(planned)} over {sum(len(space.rows) for space in spaces)} memories")
        print(f"{'links':18}{'R@1':>8}{'R@10':>8}{'R@50':>8}   R@10 by kind of question, against none")
        print(_line("none", none, none))
        for label, types in _TOLD:
            linked = [with_links(space, some, types) for space, some in zip(spaces, planned, strict=True)]
            print(_line(label, ask_all(linked, setup.rank, form=setup.form), none), flush=True)


def joins(space: Space) -> list[Join]:
    """Plan the links of a conversation."""
    considered = _considered(space)
    return [c for c in plan_links(considered, datetime.now(UTC)) if isinstance(c, Join)]


def with_links(space: Space, planned: Sequence[Join], types: Collection[str]) -> Space:
    """Return a conversation with planned links of some types; ids of rows count from 1."""
    some = [join for join in planned if join.type in types]
    links = Links(
        np.array([join.source.int - 1 for join in some], dtype=np.int32),
        np.array([join.target.int - 1 for join in some], dtype=np.int32),
        np.array([join.weight for join in some], dtype=np.float32),
    )
    return replace(space, rows=replace(space.rows, links=links))


def _considered(space: Space) -> list[Considered]:
    records = [_record(space, row) for row in range(len(space.rows))]
    order = sorted(range(len(records)), key=lambda row: (records[row].observed_at, records[row].id))
    near = neighbourhood([records[row].id for row in order], space.rows.vectors[order], [0] * len(order))
    nearest = near.nearest(range(len(order)))
    return [
        Considered(
            records[row],
            space.rows.vectors[row],
            tuple(Neighbour(records[order[place]], cosine) for place, cosine in found),
        )
        for row, found in zip(order, nearest, strict=True)
    ]


def _record(space: Space, row: int) -> Record:
    rows, content = space.rows, space.texts[row]
    found = enrich(content, stated_language=None, has_keywords=False, has_entities=True)
    seconds = rows.observed_at[row]
    moment = datetime.fromtimestamp(float(seconds) if np.isfinite(seconds) else 0.0, UTC)
    return Record(
        id=rows.ids[row],
        version=1,
        content=content,
        observed_at=moment,
        created_at=moment,
        session_id=str(rows.session[row]),
        speaker=rows.speakers[rows.speaker[row]] if rows.speaker[row] != NONE else None,
        role=Role(rows.role[row]).name.casefold() if rows.role[row] else None,
        keywords=found.keywords or (),
        entities=tuple(rows.entities[e] for e in rows.mentions.entity[rows.mentions.row == row]),
        language=found.language,
        computed=frozenset({"keywords"}),
    )


def _counts(planned: Sequence[Sequence[Join]]) -> str:
    counts: dict[str, int] = {}
    for join in (join for some in planned for join in some):
        counts[join.type] = counts.get(join.type, 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))


def _line(label: str, placed: Sequence[Placed], none: Sequence[Placed]) -> str:
    before: Mapping[str, Sequence[Placed]] = by_category(none)
    kinds = "".join(
        f"  {kind} {100 * (recalls(some)[10] - recalls(before[kind])[10]):+.1f}"
        for kind, some in by_category(placed).items()
        if kind != "adversarial"
    )
    return f"{label:18}" + "".join(f"{100 * value:8.1f}" for value in recalls(counted(placed)).values()) + f" {kinds}"


if __name__ == "__main__":
    main()
