"""What a user asks for once and for all is known after a run and stands among the first results; reverted, it is not."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from consolidation.consolidate import run_job
from consolidation.enriching import enrich_pending
from consolidation.tenancy import Tenancy

TOPICS = (
    "sails",
    "ropes",
    "masts",
    "decks",
    "keels",
    "oars",
    "anchors",
    "charts",
    "pumps",
    "winches",
    "lamps",
    "flags",
)
QUERY = "Which tools does the harbour project use?"


@pytest.fixture
def asked(remember: Callable[..., dict[str, Any]]) -> str:
    """Return the id of a wish that resembles the question less than many other messages do."""
    for topic in TOPICS:
        remember(f"The harbour project uses tools for {topic}.", role="user")
    made: str = remember("Always name the version when I ask about tools or libraries.", role="user")["id"]
    return made


def consolidate(me: Any, tenancy: Tenancy) -> None:
    enrich_pending(tenancy)
    assert run_job(tenancy, UUID(me.post("/v1/consolidations", json={}).json()["job_id"]))


def results(me: Any, **fields: Any) -> list[dict[str, Any]]:
    answer = me.post("/v1/search", json={"query": QUERY, "top_k": 10, "explain": True, **fields})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def found(me: Any, **fields: Any) -> list[str]:
    return [result["memory"]["id"] for result in results(me, **fields)]


def test_a_run_brings_a_wish_among_the_first_and_a_revert_takes_it_out(me: Any, tenancy: Tenancy, asked: str) -> None:
    before = found(me)
    assert asked not in before
    consolidate(me, tenancy)
    assert me.get(f"/v1/memories/{asked}").json()["tags"] == ["instruction"]
    last = results(me)[9]
    assert last["memory"]["id"] == asked
    assert last["signals"]["wish"] > 0
    assert "asked for once and for all" in last["why"]
    assert found(me)[:9] == before[:9]
    assert asked not in found(me, channels={"vector": 1, "keyword": 1})
    (changeset,) = me.get("/v1/changesets").json()["data"]
    assert me.post(f"/v1/changesets/{changeset['id']}/revert").status_code == 200
    assert found(me) == before


def test_a_caller_may_say_by_a_tag_what_is_a_wish(me: Any, asked: str) -> None:
    assert asked not in found(me)
    assert me.patch(f"/v1/memories/{asked}", json={"tags": ["instruction"]}).status_code == 200
    assert found(me)[9] == asked
    assert me.patch(f"/v1/memories/{asked}", json={"tags": ["preference"]}).status_code == 200
    assert asked not in found(me)  # the question asks for no advice
    assert asked in found(me, query="Which tools or libraries would you suggest for the harbour project?")
