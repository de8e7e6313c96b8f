"""Notes by rules, and what memories gain by their links."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.planning import Change, Join, Revise, Step, Why
from consolidation.records import Considered, Neighbour, Record
from consolidation.turn_steps import plan_turn
from consolidation.zettelkasten.evolution import EvolutionSettings, plan_evolution
from consolidation.zettelkasten.notes import NOTED, plan_notes
from consolidation.zettelkasten.titles import LONGEST, title_of
from consolidation.zettelkasten.vocabulary import CHOSEN
from memory_service.analysis.keywords import keywords

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
TEXT = (
    "Hey Ben, thanks! Yesterday I took the kids to the pottery workshop near the old harbour, and it was so much fun for "
    "all of us. We should go again soon."
)


def memory(number: int, content: str = TEXT, **fields: Any) -> Record:
    at = NOW + timedelta(minutes=number)
    plain = {
        "keywords": tuple(keywords(content)),
        "speaker": "Ana",
        "language": "en",
        "computed": frozenset({"keywords"}),
    }
    return Record(UUID(int=number), 1, content, at, at, **(plain | fields))


def beside(record: Record, *near: Record) -> Considered:
    return Considered(record, np.zeros(2, np.float32), tuple(Neighbour(other, 0.6) for other in near))


def fields_of(changes: list[Change]) -> dict[int, Mapping[str, Any]]:
    assert all(isinstance(change, Revise) for change in changes)
    return {change.memory.id.int: change.fields for change in changes if isinstance(change, Revise)}


def test_a_note_has_title_and_context_in_the_words_of_the_text() -> None:
    (fields,) = fields_of(plan_notes([beside(memory(1))])).values()
    assert fields["title"] == "Yesterday I took the kids to the pottery workshop near the old harbour"
    assert fields["title"] in TEXT
    assert fields["context"].startswith("Ana, 1 June 2024: ")
    assert "pottery workshop" in fields["context"]
    assert "tags" not in fields


def test_the_day_is_written_as_the_language_has_it() -> None:
    german = memory(
        1,
        "Gestern war ich mit Tom am alten Hafen und habe Fische gezeichnet.",
        language="de",
        keywords=("alten hafen", "fische"),
    )
    polish = replace(german, language="pl")
    contexts = [next(iter(fields_of(plan_notes([beside(one)])).values()))["context"] for one in (german, polish)]
    assert contexts == ["Ana, 1 Juni 2024: alten hafen, fische.", "Ana, 2024-06-01: alten hafen, fische."]


def test_keywords_that_recur_are_tags_and_names_are_not() -> None:
    near = [memory(n, f"The pottery workshop, Ben, number {n}.", entities=("Ben",)) for n in (1, 2, 3)]
    (fields,) = fields_of(plan_notes([beside(memory(9, entities=("Ben",)), *near)])).values()
    assert fields["tags"] == ["pottery workshop"]


WISH = "I'm going to the pottery workshop. Always tell me the time of the bus when I ask about the workshop."


@pytest.mark.parametrize("said", [{"role": "user", "speaker": None}, {"role": "user"}, {"speaker": None}])
def test_what_a_user_asks_for_once_and_for_all_is_tagged(said: dict[str, Any]) -> None:
    near = [memory(n, f"The pottery workshop, Ben, number {n}.") for n in (1, 2, 3)]
    (fields,) = fields_of(plan_notes([beside(memory(9, WISH, **said), *near)])).values()
    assert fields["tags"] == ["instruction", "pottery workshop"]


@pytest.mark.parametrize(
    "said",
    [
        {"role": "assistant", "speaker": None},
        {"role": None},  # somebody called Ana says it, to whomever
        {"role": "user", "source_kind": "tool"},
        {"role": "user", "tags": ("mine",)},
    ],
)
def test_nobody_else_makes_wishes(said: dict[str, Any]) -> None:
    (fields,) = fields_of(plan_notes([beside(memory(9, WISH, **said))])).values()
    assert "tags" not in fields


def test_neighbours_make_no_wish() -> None:
    near = [memory(n, f"A preference for the pottery workshop, {n}.", keywords=("preference",)) for n in (1, 2, 3)]
    one = memory(9, "The preference of others counts.", role="user")
    assert "tags" not in fields_of(plan_notes([beside(one, *near)]))[9]
    links = [link(9, other) for other in (1, 2, 3)]
    assert all("tags" not in fields for fields in fields_of(plan_evolution([beside(one, *near)], links)).values())


def test_what_is_there_stays() -> None:
    full = memory(1, title="Mine", context="Mine.", tags=("mine",))
    assert plan_notes([beside(full)]) == []
    (fields,) = fields_of(plan_notes([beside(replace(full, context=None))])).values()
    assert set(fields) == {"context"}
    assert plan_notes([beside(memory(1))], without=[UUID(int=1)]) == []


@pytest.mark.parametrize("content", ["", "Ok.", "Thanks so much!", "🙂", "....", "?!", "[a](b)", "```\n```"])
def test_what_says_nothing_gets_no_note(content: str) -> None:
    assert plan_notes([beside(memory(1, content))]) == []


@given(st.text(max_size=400))
def test_a_title_stands_in_the_text_and_is_short(content: str) -> None:
    title = title_of(content, keywords(content))
    if title is not None:
        assert title in content
        assert 0 < len(title) <= LONGEST
        assert "\n" not in title


def test_a_title_of_a_long_sentence_is_cut_at_words() -> None:
    content = (
        "So then "
        + "we talked and talked and talked " * 5
        + "about the solar panels on the roof of the barn. And more."
    )
    title = title_of(content, ["solar panels", "roof", "barn"])
    assert title is not None
    assert "solar panels on the roof of the barn" in title
    assert len(title) <= LONGEST


def test_keywords_that_came_with_the_text_are_told_from_those_that_came_later() -> None:
    assert (
        len(keywords("alpha beta, gamma delta, epsilon zeta, eta theta, iota kappa, lambda mu, nu xi, omicron pi"))
        == CHOSEN
    )


def link(source: int, target: int) -> Join:
    return Join(UUID(int=source), UUID(int=target), "similar", 0.5, Why(Step.LINKS, "near"))


def test_what_three_linked_memories_share_and_the_text_bears_out_becomes_a_keyword_and_a_tag() -> None:
    others = [memory(n, "Pottery.", keywords=("pottery",)) for n in (1, 2, 3)]
    one = memory(9, "After pottery I had tea.", keywords=("tea",))
    considered = [beside(one, *others)]
    links = [link(9, n) for n in (1, 2, 3)]
    assert fields_of(plan_evolution(considered, links)) == {9: {"keywords": ["tea", "pottery"], "tags": ["pottery"]}}
    assert plan_evolution(considered, links[:2]) == []
    elsewhere = replace(one, content="After lunch I had tea.")
    assert plan_evolution([beside(elsewhere, *others)], links) == []
    # What the caller stated is all there is to state.
    stated = replace(one, computed=frozenset[str](), tags=("mine",))
    assert plan_evolution([beside(stated, *others)], links) == []


def test_an_earlier_memory_gains_by_later_ones() -> None:
    old = memory(1, "After pottery I had tea.", keywords=("tea",))
    later = [beside(memory(n, "Pottery.", keywords=("pottery",)), old) for n in (2, 3, 4)]
    assert set(fields_of(plan_evolution(later, [link(n, 1) for n in (2, 3, 4)]))) == {1}


def test_names_and_greetings_are_no_gain() -> None:
    others = [memory(n, "Hey Ben!", keywords=("ben", "hey"), speaker="Ana") for n in (1, 2, 3)]
    one = memory(9, "Hey Ben, tea?", keywords=("tea",), entities=("Ben",))
    assert plan_evolution([beside(one, *others)], [link(9, n) for n in (1, 2, 3)]) == []


def test_evolution_is_bounded_and_evolving_again_changes_nothing() -> None:
    words = [f"word{chr(97 + n)}" for n in range(12)]
    others = [memory(100 + 10 * n + m, f"{word}.", keywords=(word,)) for n, word in enumerate(words) for m in (1, 2, 3)]
    one = memory(900, " ".join(words), keywords=("plain",))
    links = [link(900, other.id.int) for other in others]
    settings = EvolutionSettings()
    (fields,) = fields_of(plan_evolution([beside(one, *others)], links)).values()
    assert len(fields["keywords"]) == settings.keywords
    assert len(fields["tags"]) == settings.tags
    evolved = replace(
        one, keywords=tuple(fields["keywords"]), tags=tuple(fields["tags"]), computed=one.computed | {"tags"}
    )
    assert plan_evolution([beside(evolved, *others)], links) == []


def test_a_tag_that_a_note_brings_is_not_brought_again() -> None:
    near = [memory(n, "The pottery workshop.") for n in (1, 2, 3)]
    considered = [beside(memory(9), *near)]
    notes = plan_notes(considered)
    assert fields_of(notes)[9]["tags"] == ["pottery workshop"]
    assert plan_evolution(considered, [link(9, n) for n in (1, 2, 3)], revised=notes) == []


def test_notes_fill_nothing_but_what_a_note_may_fill() -> None:
    fields = fields_of(plan_notes([beside(memory(n)) for n in range(1, 5)]))
    assert all(set(one) <= set(NOTED) for one in fields.values())


def test_a_turn_revises_no_memory_twice() -> None:
    near = [memory(n, "The pottery workshop near the harbour.", keywords=("pottery",)) for n in (1, 2, 3)]
    one = memory(9, keywords=("harbour",))
    # All of them are linked, so that the last one has both a note and a gain.
    considered = Considered(one, np.zeros(2, np.float32), tuple(Neighbour(other, 0.9) for other in near))
    changes = plan_turn([considered], {}, steps={Step.NOTES, Step.LINKS}, now=NOW)
    revised = [change for change in changes if isinstance(change, Revise)]
    assert len({change.memory.id for change in revised}) == len(revised)
    (both,) = [change for change in revised if change.memory.id == one.id]
    assert {"title", "keywords"} <= both.fields.keys()
    assert not both.in_place
