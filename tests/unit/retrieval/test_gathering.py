"""Memories gathered one after another: earlier rows stay valid, dropped ones are left out."""

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from memory_service.analysis.traits import traits
from retrieval import annotation_lists
from retrieval.annotation_lists import AnnotationLists
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.gathering import Gathering, _bare
from retrieval.rows import NONE, KeyKind, Rows

SPACE = UUID(int=1_000)


def entry(number: int, text: str, **fields: object) -> Entry:
    made = Entry(
        id=UUID(int=number), namespace_id=SPACE, content_version=1, session_id="s", user_id=None, agent_id=None,
        speaker=None, role=None, observed_at=float(number), valid_from=None, valid_to=None, expires_at=None,
        superseded=False, archived=False, traits=traits(text, None).pack(), terms=tuple(text.split()),
    )  # fmt: skip
    return replace(made, **fields)


def vectors(*axes: int) -> Vectors:
    return Vectors(np.eye(4, dtype=np.float32)[list(axes)])


def numbers(rows: Rows) -> list[int]:
    return [one.int for one in rows.ids]


def standing(rows: Rows, term: str) -> dict[int, int]:
    """Return how often a term stands in which memory."""
    found = rows.postings[term]
    return {rows.ids[row].int: count for row, count in zip(found.row, found.frequency, strict=True)}


@pytest.fixture
def three() -> Gathering:
    gathering = Gathering()
    for number, text in enumerate(("red door", "red red roof", "blue door"), start=1):
        gathering.add(entry(number, text), vectors(number, 0))
    return gathering


def test_what_is_appended_later_does_not_reach_earlier_rows(three: Gathering) -> None:
    before = three.rows()
    for number in range(4, 100):
        three.add(entry(number, "red door", speaker="Ada"), vectors(0))
    assert numbers(before) == [1, 2, 3]
    assert standing(before, "red") == {1: 1, 2: 2}
    assert before.following.tolist() == [1, 2, NONE]
    assert len(before.observed_at) == len(before.vectors) == before.documents == 3
    after = three.rows()
    assert len(after) == 99
    assert after.following.tolist() == [*range(1, 99), NONE]
    assert len(after.postings["red"].row) == 98
    assert np.array_equal(after.vectors[:3], before.vectors)


def test_a_change_that_is_not_of_the_text_changes_the_row_and_not_earlier_rows(three: Gathering) -> None:
    before = three.rows()
    changed = entry(2, "red red roof", superseded=True, valid_to=50.0)
    assert not three.knows(changed)
    assert not three.needs_vectors(changed)
    three.add(changed, None)
    after = three.rows()
    assert (before.superseded.tolist(), after.superseded.tolist()) == ([False] * 3, [False, True, False])
    assert np.isnan(before.valid_to).all()
    assert after.valid_to[1] == 50
    assert numbers(after) == [1, 2, 3]
    assert three.knows(changed)


def test_a_new_text_takes_a_new_row_and_needs_vectors(three: Gathering) -> None:
    before = three.rows()
    three.annotate(UUID(int=1), Annotations(((1.0, 2.0),), ("ada",)))
    changed = entry(1, "green gate", content_version=2)
    with pytest.raises(ValueError, match="vectors"):
        three.add(changed, None)
    three.add(changed, vectors(3))
    after = three.rows()
    assert numbers(after) == [2, 3, 1]
    assert standing(after, "red") == {2: 2}
    assert standing(after, "door") == {3: 1}
    assert standing(after, "green") == {1: 1}
    assert standing(before, "door") == {1: 1, 3: 1}, "rows taken before are as they were"
    assert len(after.spans.row) == len(after.mentions.row) == 0, "notes are of a text"
    # The order in the session is that of time, whatever the order of rows.
    assert after.following.tolist() == [1, NONE, 0]
    assert after.previous.tolist() == [2, 0, NONE]


def test_dropped_rows_are_left_out_and_the_rest_renumbered(three: Gathering) -> None:
    three.annotate(UUID(int=3), Annotations(((5.0, 6.0),), ("tom",)))
    three.annotate(UUID(int=2), Annotations((), ("tom", "ada")))
    three.link(UUID(int=70), UUID(int=1), UUID(int=2), 0.5)
    three.link(UUID(int=71), UUID(int=3), UUID(int=2), 0.25)
    whole = three.rows()
    assert sorted(zip(whole.links.source, whole.links.target, whole.links.weight, strict=True)) == [
        (0, 1, 0.5),
        (2, 1, 0.25),
    ]
    three.drop(UUID(int=1))
    rows = three.rows()
    assert numbers(rows) == [2, 3]
    assert standing(rows, "red") == {2: 2}
    assert standing(rows, "door") == {3: 1}
    assert np.array_equal(rows.vectors, whole.vectors[1:])
    assert rows.keys.row.tolist() == [0, 1], "second chunks move with their rows"
    assert set(rows.keys.kind.tolist()) == {KeyKind.CHUNK}
    assert (rows.spans.row.tolist(), rows.spans.start.tolist()) == ([1], [5.0])
    named = {(rows.ids[r].int, rows.entities[e]) for r, e in zip(rows.mentions.row, rows.mentions.entity, strict=True)}
    assert named == {(2, "tom"), (2, "ada"), (3, "tom")}
    assert list(zip(rows.links.source, rows.links.target, rows.links.weight, strict=True)) == [(1, 0, 0.25)]
    assert rows.previous.tolist() == [NONE, 0]
    assert rows.documents == len(three.expires_at()) == 2
    assert numbers(whole) == [1, 2, 3]
    assert standing(whole, "door") == {1: 1, 3: 1}


def test_a_memory_comes_back_after_it_was_archived(three: Gathering) -> None:
    gone = entry(2, "red red roof", archived=True)
    assert not three.knows(gone)
    three.add(gone, None)
    assert three.knows(gone)
    assert numbers(three.rows()) == [1, 3]
    three.add(entry(2, "red red roof"), vectors(2, 0))
    assert numbers(three.rows()) == [1, 3, 2]
    assert standing(three.rows(), "red") == {1: 1, 2: 2}


def test_what_was_dropped_is_held_until_all_begins_anew(three: Gathering) -> None:
    assert [three.holds(UUID(int=number)) for number in (1, 2, 99)] == [True, True, False]
    three.drop(UUID(int=2))
    three.add(entry(1, "green gate", content_version=2), vectors(3))
    assert [three.holds(UUID(int=number)) for number in (1, 2, 99)] == [True, True, False]
    assert "roof" in three.rows().postings, "it stands in the row that was dropped"


def test_what_says_nothing_new_is_no_change(three: Gathering) -> None:
    three.annotate(UUID(int=1), Annotations((), ("ada",)))
    three.link(UUID(int=70), UUID(int=1), UUID(int=2), 0.5)
    before = three.changes
    assert three.knows(entry(1, "red door"))
    three.add(entry(1, "red door"), None)
    three.annotate(UUID(int=1), Annotations((), ("ada",)))
    three.annotate(UUID(int=99), Annotations((), ("nobody",)))
    three.link(UUID(int=70), UUID(int=1), UUID(int=2), 0.5)
    three.unlink(UUID(int=71))
    three.drop(UUID(int=99))
    assert three.changes == before
    three.unlink(UUID(int=70))
    assert three.changes == before + 1
    assert len(three.rows().links.source) == 0


def test_a_link_waits_for_the_memory_it_points_to(three: Gathering) -> None:
    three.link(UUID(int=70), UUID(int=1), UUID(int=4), 1.0)
    assert len(three.rows().links.source) == 0
    three.add(entry(4, "late"), vectors(1))
    assert three.rows().links.target.tolist() == [3]


def test_many_dropped_rows_ask_to_start_anew() -> None:
    gathering = Gathering()
    for number in range(1, 701):
        gathering.add(entry(number, "word"), vectors(0))
    for number in range(1, 200):
        gathering.drop(UUID(int=number))
    assert not gathering.worn
    gathering.drop(UUID(int=200))
    assert gathering.worn
    assert standing(gathering.rows(), "word") == dict.fromkeys(range(201, 701), 1)


def test_sessions_of_two_users_with_one_name_are_two() -> None:
    gathering = Gathering()
    for number, user in enumerate(("ada", "bob", "ada"), start=1):
        gathering.add(entry(number, "word", user_id=user), vectors(0))
    assert gathering.rows().following.tolist() == [2, NONE, NONE]


def test_what_was_said_without_a_session_stands_side_by_side() -> None:
    gathering = Gathering()
    for number, said in enumerate(
        [{"speaker": "Ada"}, {"speaker": "Bob"}, {}, {"speaker": "Ada", "user_id": "cyd"}, {"role": "user"}], start=1
    ):
        gathering.add(entry(number, "word", **{"session_id": None, **said}), vectors(0))
    rows = gathering.rows()
    assert rows.session.tolist() == [0, 0, NONE, NONE, 0]
    assert rows.following.tolist() == [1, 4, NONE, NONE, NONE]
    # A correction takes a turn out of the talk, and puts it in again.
    gathering.add(entry(2, "word", session_id="s", speaker="Bob"), None)
    assert gathering.rows().following.tolist() == [4, NONE, NONE, NONE, NONE]
    gathering.add(entry(2, "word", session_id=None, speaker="Bob"), None)
    assert gathering.rows().following.tolist() == [1, 4, NONE, NONE, NONE]
    gathering.drop(UUID(int=2))
    assert gathering.rows().following.tolist() == [3, NONE, NONE, NONE]
    assert rows.following.tolist() == [1, 4, NONE, NONE, NONE]


def test_candidates_make_no_talk() -> None:
    gathering = Gathering(only=frozenset({"word"}))
    for number in (1, 2):
        gathering.add(entry(number, "word", session_id=None, speaker="Ada"), vectors(0))
    assert gathering.rows().session.tolist() == [NONE, NONE]


def test_it_counts_what_it_holds(three: Gathering) -> None:
    before = three.bytes
    for number in range(4, 200):
        three.add(entry(number, "red door"), vectors(0))
    assert three.bytes > before + 196 * 100


def test_another_precision_brings_other_vectors_of_the_same_text(three: Gathering) -> None:
    before = three.rows()
    faded = entry(2, "red red roof", precision=2)
    assert not three.knows(faded)
    assert three.needs_vectors(faded)
    three.add(faded, vectors(3))
    after = three.rows()
    assert sorted(numbers(after)) == [1, 2, 3]
    assert np.array_equal(after.vectors[numbers(after).index(2)], vectors(3).text[0])
    assert np.array_equal(before.vectors[1], vectors(2).text[0])
    assert standing(after, "red") == {1: 1, 2: 2}
    assert after.previous[numbers(after).index(3)] == numbers(after).index(2)
    assert three.knows(faded)


def test_other_names_of_entities_come_and_go_with_the_texts_that_use_them() -> None:
    lists = AnnotationLists()
    lists.note(0, Annotations(entities=("robert",), aliases=(("bobby", "robert"),)))
    lists.note(1, Annotations(entities=("robin",), aliases=(("bobby", "robin"), ("rob", "robin"))))
    assert lists.aliases == {"bobby": {"robert", "robin"}, "rob": {"robin"}}
    lists.note(1, Annotations(entities=("robin",)))
    assert lists.aliases == {"bobby": {"robert"}}


def test_rows_noted_again_are_built_into_the_lists_once_when_these_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge of entities names hundreds of rows anew: building all lists for each held a search up for seconds."""
    appended: list[int] = []
    append = annotation_lists._Lists.append

    def counting(lists: annotation_lists._Lists, row: int, *rest: Any) -> None:
        appended.append(row)
        append(lists, row, *rest)

    monkeypatch.setattr(annotation_lists._Lists, "append", counting)
    lists = AnnotationLists()
    for row in range(50):
        lists.note(row, Annotations(((row, row + 1.0),), ("bob", f"name{row}"), (("bobby", "bob"),)))
    before = lists.arrays()
    assert len(appended) == 50
    for row in range(40, 50):
        assert lists.note(row, Annotations(((row, row + 2.0),), (f"new{row}", "robert"), (("bobby", "robert"),)))
        assert not lists.note(row, Annotations(((row, row + 2.0),), (f"new{row}", "robert"), (("bobby", "robert"),)))
    lists.drop(0)
    lists.note(50, Annotations(entities=("bob",)))
    assert len(appended) == 50

    names = lists.entities
    named = lists.arrays().mentions
    assert lists.aliases == {"bobby": {"bob", "robert"}}
    assert len(appended) == 50 + 50
    assert names[:51] == ("bob", *(f"name{row}" for row in range(50)))  # numbers that were given out stay
    of_row = {row: {names[e] for e in named.entity[named.row == row]} for row in (0, 1, 40, 49, 50)}
    assert of_row == {
        0: set(),
        1: {"bob", "name1"},
        40: {"new40", "robert"},
        49: {"new49", "robert"},
        50: {"bob"},
    }
    assert lists.arrays().spans.end[-1] == 51.0
    assert before.mentions.entity[before.mentions.row == 49].tolist() == [0, 50]
    lists.note(51, Annotations(entities=("bob",)))
    assert len(appended) == 101


def test_other_names_go_with_a_row_that_is_dropped() -> None:
    lists = AnnotationLists()
    lists.note(0, Annotations(entities=("robert",), aliases=(("bobby", "robert"),)))
    lists.note(1, Annotations(entities=("robin",), aliases=(("bobby", "robin"), ("rob", "robin"))))
    lists.drop(1)
    assert lists.aliases == {"bobby": {"robert"}}
    lists.note(2, Annotations(aliases=(("rob", "robert"),)))
    assert lists.aliases == {"bobby": {"robert"}, "rob": {"robert"}}


def test_only_those_speak_whose_words_are_here(three: Gathering) -> None:
    for number, name in enumerate(("Ada", "Bo", None, "Cyd", "Bo"), start=4):
        three.add(entry(number, "red door", speaker=name), vectors(0))
    before = three.rows()
    assert before.speakers == ("Ada", "Bo", "Cyd")
    three.drop(UUID(int=4))
    after = three.rows()
    assert after.speakers == ("Bo", "Cyd")
    assert after.speaker.tolist() == [NONE, NONE, NONE, 0, NONE, 1, 0]
    three.add(entry(9, "red door", speaker="Ada"), vectors(0))
    assert three.rows().speakers == ("Ada", "Bo", "Cyd")
    assert before.speaker.tolist() == [NONE, NONE, NONE, 0, 1, NONE, 2, 1], "rows taken before are as they were"


def test_what_was_observed_at_one_moment_keeps_the_order_of_its_ids() -> None:
    gathering = Gathering()
    high = 2**64
    ids = [5, 7 * high + 1, 7 * high + 2**63, 8 * high]
    for number in (ids[2], ids[0], ids[3], ids[1]):
        gathering.add(entry(number, "red door", observed_at=1.0), vectors(0))
    gathering.add(
        entry(ids[0], "blue door", observed_at=1.0), vectors(1)
    )  # A new text has a new row, behind the others.
    rows = gathering.rows()
    assert in_order(rows) == ids
    assert [ids[place] for place in rows.in_time()] == [one.int for one in rows.ids]


def in_order(rows: Rows) -> list[int]:
    """Return the ids from the first of a session to its last."""
    (row,) = np.flatnonzero(rows.previous == NONE).tolist()
    found = []
    while row != NONE:
        found.append(rows.ids[row].int)
        row = int(rows.following[row])
    return found


def test_many_at_once_are_what_they_are_one_after_another() -> None:
    texts = ["red door", "red red roof", "blue door", "a door at night"]
    found = [
        (entry(number, text, speaker="Ada" if number % 2 else "Bo", valid_to=9.0 if number == 3 else None), vectors(number % 4, 0))
        for number, text in enumerate(texts, start=1)
    ]  # fmt: skip
    at_once, one_by_one = Gathering(), Gathering()
    for gathering in (at_once, one_by_one):
        gathering.join("topic", UUID(int=50), UUID(int=2))
        gathering.add(entry(2, "an older text"), vectors(3))
        gathering.add(entry(9, "to be archived"), vectors(3))
    gone = (entry(9, "to be archived", archived=True), None)
    at_once.add_all([*found, gone])
    for one in [*found, gone]:
        one_by_one.add(*one)
    left, right = at_once.rows(), one_by_one.rows()
    assert numbers(left) == numbers(right) == [1, 2, 3, 4]
    columns = ("vectors", "observed_at", "valid_to", "session", "speaker", "length", "previous", "following", "topic")
    for name in columns:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    np.testing.assert_array_equal(left.keys.row, right.keys.row)
    assert left.speakers == right.speakers
    for term in ("red", "door", "roof", "night"):
        assert standing(left, term) == standing(right, term)
    assert standing(left, "older") == {}
    assert left.topic is not None
    assert [left.topic[row] != NONE for row in range(4)] == [False, True, False, False]


def test_of_one_that_is_named_twice_the_last_holds() -> None:
    gathering = Gathering()
    gathering.add_all([(entry(1, "red door"), vectors(1)), (entry(1, "blue door"), vectors(2))])
    rows = gathering.rows()
    assert numbers(rows) == [1]
    assert standing(rows, "blue") == {1: 1}
    assert "red" not in rows.postings
    gathering.add_all([(entry(2, "red roof"), vectors(1)), (entry(2, "red roof", archived=True), None)])
    assert numbers(gathering.rows()) == [1]


def test_what_is_held_of_an_entry_is_all_but_its_texts() -> None:
    full = entry(
        1, "red door", user_id="u", agent_id="a", speaker="Ada", role="user", valid_from=1.0, valid_to=2.0, expires_at=3.0,
        superseded=True, archived=True, content="c", title="t", context="x", language="de", precision=2, wish=1,
    )  # fmt: skip
    assert None not in [getattr(full, one.name) for one in fields(full)]
    assert _bare(full) == replace(full, terms=None, content=None, title=None, context=None)


@pytest.mark.parametrize("one", ["asks", "has_number", "has_time", "superseded"])
def test_each_value_stands_in_its_own_column(one: str) -> None:
    said = {"asks": "is it?", "has_number": "it was 7", "has_time": "it was on Monday", "superseded": "it was"}[one]
    gathering = Gathering()
    gathering.add_all(
        [
            (entry(1, "it was"), vectors(1)),
            (entry(2, said, superseded=one == "superseded", valid_from=5.0, valid_to=6.0, expires_at=7.0, wish=2), vectors(2)),
        ]
    )  # fmt: skip
    rows = gathering.rows()
    for name in ("asks", "has_number", "has_time", "superseded"):
        assert getattr(rows, name).tolist() == [False, name == one], name
    assert (rows.observed_at[1], rows.valid_from[1], rows.valid_to[1], rows.wish[1]) == (2.0, 5.0, 6.0, 2)
    assert gathering.expires_at().tolist() == [np.inf, 7.0]
    assert rows.length.tolist() == [2, len(said.split())]


def of_bursts(*, only: frozenset[str] | None = None) -> Rows:
    gathering = Gathering(only=only)
    for number in range(60):
        burst = number // 3
        vector = np.zeros((1, 20), np.float32)
        vector[0, burst] = 1.0
        at = 10_000.0 * burst + number
        gathering.add(entry(number + 1, "a fact", session_id=None, observed_at=at), Vectors(vector))
    return gathering.rows()


def test_bare_texts_stored_in_a_row_about_one_matter_stand_side_by_side() -> None:
    rows = of_bursts()
    assert rows.session.tolist() == [number // 3 for number in range(60)]
    assert rows.previous.tolist()[:6] == [NONE, 0, 1, NONE, 3, 4]


def test_candidates_are_put_into_no_series() -> None:
    assert set(of_bursts(only=frozenset({"fact"})).session.tolist()) == {NONE}
