"""Communities: what hangs together, capped, the same each time, and living on under the same id."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from consolidation.planning import Change, End, Put
from consolidation.structure.communities import Association, CommunitySettings, find_communities, plan_communities
from consolidation.structure.profiles import (
    TOLD,
    Happening,
    KnownFact,
    Said,
    User,
    known_facts,
    plan_profiles,
    static_lines,
    still_said,
)
from consolidation.structure.successors import successors
from memory_service.analysis.facts import Fact

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def memory(n: int) -> UUID:
    return UUID(int=n)


def entity(n: int) -> UUID:
    return UUID(int=100_000 + n)


def groups(sizes: list[int]) -> list[Association]:
    numbers = count()
    return [Association(memory(next(numbers)), entity(n)) for n, size in enumerate(sizes) for _ in range(size)]


def test_what_everything_names_holds_nothing_together() -> None:
    named = [*groups([6, 8]), *(Association(memory(n), entity(99)) for n in range(14))]
    assert [len(one.members) for one in find_communities(named, [], memories=40)] == [8, 6]


def test_links_hold_together_too() -> None:
    linked = [Association(memory(n), memory(m)) for n in range(5) for m in range(n)]
    (found,) = find_communities([], linked, memories=10)
    assert found.members == tuple(memory(n) for n in range(5))
    assert found.entities == ()


def test_a_community_is_capped_and_found_the_same_again() -> None:
    limits = CommunitySettings(most=10)
    named = groups([30, 25, 20, 5])
    found = find_communities(named, [], memories=200, settings=limits)
    assert [len(one.members) for one in found] == [10, 10, 10, 5]
    assert found == find_communities(named[::-1], [], memories=200, settings=limits)


def test_nothing_in_common_is_no_community() -> None:
    assert find_communities([], [], memories=0) == []
    assert find_communities(groups([1, 1, 1]), [], memories=3) == []


def test_a_community_that_changes_keeps_its_id_and_one_that_is_no_more_ends() -> None:
    before = find_communities(groups([6, 8]), [], memories=100)
    numbers = count(10**9)
    puts = plan_communities(before, {}, new_id=lambda: UUID(int=next(numbers)))
    there = {put.id: put.values["members"] for put in puts if isinstance(put, Put)}
    assert plan_communities(before, there, new_id=lambda: pytest.fail("nothing is new")) == []
    (larger, smaller) = there
    after = find_communities(groups([6, 10])[6:], [], memories=100)
    put, end = plan_communities(after, there, new_id=lambda: pytest.fail("nothing is new"))
    assert isinstance(put, Put)
    assert put.id == larger
    assert isinstance(end, End)
    assert end.id == smaller


def test_one_id_goes_to_one_group() -> None:
    one, two = (memory(1), memory(2), memory(3)), (memory(4), memory(5))
    kept = successors({one: None, two: None}, {entity(1): [*one, *two]})
    assert kept == {one: entity(1)}


def test_a_profile_leaves_out_what_no_longer_holds_and_tells_the_latest_first() -> None:
    facts = [
        KnownFact("Ana", "city", "Porto", (memory(1),), until=NOW - timedelta(days=1)),
        KnownFact("Ana", "city", "Lisbon", (memory(2),), since=NOW - timedelta(days=1)),
        KnownFact("Ana", "pet", "cat", (memory(3), memory(4))),
    ]
    lately = [
        Happening(entity(n), NOW - timedelta(days=days), f"Told {days} days ago.", ((memory(n), 1, 0, 4),))
        for n, days in enumerate((100, 3, 1), start=10)
    ]
    (put,) = plan_profiles([User("ana", facts, lately)], now=NOW, new_id=lambda: entity(50))
    assert isinstance(put, Put)
    assert [line["text"] for line in put.values["lines"]] == [
        "Ana: pet cat", "Ana: city Lisbon", "Told 1 days ago.", "Told 3 days ago.",
    ]  # fmt: skip
    assert put.values["members"] == [memory(n) for n in (2, 3, 4, 11, 12)]
    again = User("ana", facts, lately, put.id, put.values["lines"])
    assert plan_profiles([again], now=NOW, new_id=lambda: pytest.fail("nothing is new")) == []
    (end,) = plan_profiles([User("ana", (), (), put.id, put.values["lines"])], now=NOW, new_id=lambda: entity(51))
    assert isinstance(end, End)
    assert plan_profiles([User("bo", (), ())], now=NOW, new_id=lambda: entity(52)) == []


def test_what_a_model_told_goes_once_a_text_that_it_cites_is_another() -> None:
    facts = [KnownFact("Ana", "pet", "cat", (memory(1),))]
    (put,) = plan_profiles([User("ana", facts, ())], now=NOW, new_id=lambda: entity(50))
    assert isinstance(put, Put)
    told = [
        {"section": TOLD, "text": text, "spans": [[str(memory(n)), 1, 0, 4] for n in cited],
         "memory_ids": [str(memory(n)) for n in cited]}
        for text, cited in (("Ana has a cat.", (1,)), ("Ana sold the boat.", (2, 3)))
    ]  # fmt: skip
    lines = [*put.values["lines"], *told]

    def planned(versions: dict[UUID, int], facts: list[KnownFact] = facts) -> list[Change]:
        user = User("ana", facts, (), put.id, lines, versions)
        return plan_profiles([user], now=NOW, new_id=lambda: pytest.fail("it has an id"))

    now = {memory(n): 1 for n in (1, 2, 3)}
    assert planned(now) == []
    for versions in (now | {memory(3): 2}, {memory(1): 1, memory(2): 1}):
        (change,) = planned(versions)
        assert isinstance(change, Put)
        assert change.values["lines"] == lines[:2], "what still stands stays"
        assert change.values["members"] == [memory(1)]
    # What a model told beside other lines it is asked anew.
    (change,) = planned(now, [KnownFact("Ana", "pet", "dog", (memory(1),))])
    assert isinstance(change, Put)
    assert [line["text"] for line in change.values["lines"]] == ["Ana: pet dog"]


def test_what_a_model_told_stays_where_a_text_was_corrected_and_rules_read_the_same() -> None:
    def known(version: int) -> list[KnownFact]:
        return [KnownFact("Ana", "pet", "cat", (memory(1),), spans=((memory(1), version, 0, 9),))]

    (put,) = plan_profiles([User("ana", known(1), ())], now=NOW, new_id=lambda: entity(50))
    assert isinstance(put, Put)
    told = {
        "section": TOLD,
        "text": "Ana has a boat.",
        "spans": [[str(memory(2)), 1, 0, 4]],
        "memory_ids": [str(memory(2))],
    }
    user = User("ana", known(3), (), put.id, [*put.values["lines"], told], {memory(2): 1})
    (change,) = plan_profiles([user], now=NOW, new_id=lambda: pytest.fail("it has an id"))
    assert isinstance(change, Put)
    assert [line["text"] for line in change.values["lines"]] == ["Ana: pet cat", "Ana has a boat."]
    assert change.values["lines"][0]["spans"] == [[str(memory(1)), 3, 0, 9]]


def a_fact(value: str, **other: Any) -> Fact:
    return Fact("ana", "pet", value, value.casefold(), (0, 1), **other)


def a_home(value: str, called: str | None = None) -> Fact:
    return Fact("brother of ana", "lives_in", value, value.casefold(), (0, 1), functional=True, called=called)


def test_each_of_two_brothers_has_a_home_of_his_own() -> None:
    said = [
        Said(memory(n), NOW + timedelta(days=n), [home])
        for n, home in enumerate(
            [
                a_home("Leeds", "Tom"),
                a_home("York", "Sam"),
                a_home("Rome"),
                a_home("Oslo", "Tom"),
                a_home("York", "Ben"),
            ]
        )
    ]
    (put,) = plan_profiles([User("ana", known_facts(said), ())], now=NOW + timedelta(days=9), new_id=lambda: entity(50))
    assert isinstance(put, Put)
    assert {(line["text"], tuple(line["memory_ids"])) for line in put.values["lines"]} == {
        ("brother Sam of ana: lives in York", (str(memory(1)),)),
        ("brother of ana: lives in Rome", (str(memory(2)),)),
        ("brother Tom of ana: lives in Oslo", (str(memory(3)),)),
        ("brother Ben of ana: lives in York", (str(memory(4)),)),
    }
    assert {line["subject"] for line in put.values["lines"]} == {"brother of ana"}


def test_what_a_thing_costs_does_not_end_what_it_is() -> None:
    values = "Honda Civic", "12 years old", "Tesla", "13 years old"
    said = [
        Said(memory(n), NOW + timedelta(days=n), [Fact("ana", "car", one, one.casefold(), (0, 1), functional=True)])
        for n, one in enumerate(values)
    ]
    assert [one.value for one in known_facts(said) if one.until is None] == ["Tesla", "13 years old"]


@pytest.mark.parametrize(
    ("attribute", "one", "other"),
    [
        ("birthday", "May", "3 June"),
        ("spouse", "April", "Ana"),
        ("works_at", "First Direct", "Lidl"),
        ("lives_in", "Six Mile", "Rome"),
    ],
)
def test_of_what_is_one_at_a_time_the_last_holds(attribute: str, one: str, other: str) -> None:
    for values in ((one, other), (other, one)):
        said = [
            Said(
                memory(n), NOW + timedelta(days=n), [Fact("ana", attribute, it, it.casefold(), (0, 1), functional=True)]
            )
            for n, it in enumerate(values)
        ]
        assert [fact.value for fact in known_facts(said) if fact.until is None] == [values[1]]


@pytest.mark.parametrize("called", ["Tom", None])
def test_a_line_with_a_name_goes_once_its_text_was_corrected(called: str | None) -> None:
    """What a corrected text states is kept without the name: it may be of another brother now."""
    home = a_home("Leeds", called)
    (line,) = static_lines(known_facts([Said(memory(1), NOW, [home])]), now=NOW)
    as_kept = {memory(1): [a_home("Leeds")]}
    for version, stands in ((1, True), (2, called is None)):
        left = still_said(line, {}, {memory(1): version}, {memory(1)}, as_kept)
        assert (left is not None) is stands


def test_one_brother_is_one_whether_or_not_he_is_named() -> None:
    homes = [a_home("Leeds", "Tom"), a_home("York"), a_home("Oslo", "Tom")]
    said = [Said(memory(n), NOW + timedelta(days=n), [home]) for n, home in enumerate(homes)]
    assert [(one.value, one.until is None) for one in known_facts(said)] == [
        ("Leeds", False), ("York", False), ("Oslo", True),
    ]  # fmt: skip


def test_what_is_denied_or_over_or_superseded_no_longer_holds() -> None:
    days = [NOW + timedelta(days=n) for n in range(6)]
    said = [
        Said(memory(0), days[0], [a_fact("cat"), a_fact("dog"), a_fact("horse"), a_fact("fish")]),
        Said(memory(1), days[1], [a_fact("cat", positive=False)]),
        Said(memory(2), days[2], [a_fact("dog", ended=True)]),
        Said(memory(3), days[3], [a_fact("newt")], until=days[4]),
    ]
    until = {fact.value: fact.until for fact in known_facts(said)}
    assert until == {"cat": days[1], "dog": days[2], "horse": None, "fish": None, "newt": days[4]}
    again = [*said, Said(memory(5), days[5], [a_fact("cat")])]
    (cat,) = [fact for fact in known_facts(again) if fact.value == "cat"]
    assert (cat.until, cat.since, cat.memory_ids) == (None, days[0], (memory(0), memory(5)))
