"""A title and a context that rules wrote are shown, and are no words by which a memory is found, whatever becomes of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from consolidation.planning import Revise, Step, Why
from consolidation.recut import recut_namespace

WHY = Why(Step.NOTES, "filled title")


def by_words(me: Any, query: str, **fields: Any) -> list[str]:
    answer = me.post("/v1/search", json={"query": query, "channels": {"keyword": 1}, **fields})
    assert answer.status_code == 200, answer.text
    return [result["memory"]["id"] for result in answer.json()["results"]]


@pytest.fixture
def noted(remember: Callable[..., dict[str, Any]], do: Any, ref: Any) -> str:
    """Return a memory with a note whose words stand nowhere else."""
    made: str = remember("They sell oranges at the market.", language="en")["id"]
    remember("They sell lemons at the corner.", language="en")
    do(Revise(ref(made), {"title": "Zebra crossing", "context": "Giraffe, 2024.", "tags": ["yak"]}, WHY, in_place=True))
    return made


def test_a_note_is_shown_and_not_found_by(me: Any, noted: str) -> None:
    memory = me.get(f"/v1/memories/{noted}").json()
    assert (memory["title"], memory["context"], memory["tags"], memory["version"]) == (
        "Zebra crossing", "Giraffe, 2024.", ["yak"], 1,
    )  # fmt: skip
    assert by_words(me, "zebra giraffe") == []
    assert by_words(me, "oranges") == [noted]


@pytest.mark.parametrize("change", [{"observed_at": "2020-02-03T10:00:00Z"}, {"language": "de"}, {"importance": 0.9}])
def test_a_change_of_something_else_does_not_bring_its_words_in(me: Any, noted: str, change: dict[str, Any]) -> None:
    moment = datetime.now(UTC).isoformat()
    assert me.patch(f"/v1/memories/{noted}", json=change).status_code == 200
    for options in ({}, {"as_of": {"known": moment}}, {"as_of": {"known": datetime.now(UTC).isoformat()}}):
        assert by_words(me, "zebra giraffe", **options) == []
        assert by_words(me, "oranges market", **options) == [noted]
    assert me.get(f"/v1/memories/{noted}").json()["title"] == "Zebra crossing"


def test_what_a_caller_states_is_found_by_and_the_rest_is_not(me: Any, noted: str) -> None:
    # Just as it was: stating it is the change.
    assert me.patch(f"/v1/memories/{noted}", json={"title": "Zebra crossing"}).status_code == 200
    assert by_words(me, "zebra") == [noted]
    assert by_words(me, "giraffe") == []
    assert me.patch(f"/v1/memories/{noted}", json={"title": "Antelopes"}).status_code == 200
    assert by_words(me, "antelopes") == [noted]
    assert by_words(me, "zebra") == []


def test_a_note_goes_with_the_text_it_was_about(me: Any, noted: str) -> None:
    memory = me.patch(f"/v1/memories/{noted}", json={"content": "They sell pears at the market."}).json()
    assert (memory["title"], memory["context"], memory["tags"]) == (None, None, [])
    assert by_words(me, "zebra giraffe") == []


def test_cutting_the_words_anew_leaves_notes_out_now_and_as_of_earlier(
    me: Any, noted: str, rows: Any, tenancy: Any, namespace_id: Any
) -> None:
    assert me.patch(f"/v1/memories/{noted}", json={"observed_at": "2020-02-03T10:00:00Z"}).status_code == 200
    before = datetime.now(UTC).isoformat()
    assert me.patch(f"/v1/memories/{noted}", json={"content": "They sell pears."}).status_code == 200
    parameters = {"t": me.tenant_id, "n": namespace_id()}
    rows.run("UPDATE namespace SET terms_version = 1 WHERE tenant_id = :t AND id = :n", **parameters)
    # As if earlier rules had cut every word otherwise.
    rows.run("UPDATE posting SET term = 'old' || term WHERE tenant_id = :t AND namespace_id = :n", **parameters)
    renamed = "terms = ARRAY(SELECT 'old' || t FROM unnest(terms) AS u (t))"
    rows.run(f"UPDATE memory SET {renamed} WHERE tenant_id = :t AND namespace_id = :n", **parameters)
    assert recut_namespace(tenancy, namespace_id())
    posted = "SELECT DISTINCT term FROM posting WHERE tenant_id = :t AND namespace_id = :n"
    terms = {row.term for row in rows.all(posted, **parameters)}
    assert {"pear", "orang", "lemon"} <= terms
    assert not terms & {"zebra", "giraff", "cross"}
    assert by_words(me, "oranges zebra", as_of={"known": before}) == [noted]
    assert by_words(me, "zebra giraffe", as_of={"known": before}) == []
