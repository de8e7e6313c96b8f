"""A text that was erased does not come back by itself; whoever says it anew says when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consolidation.consolidate import run_job
from consolidation.tenancy import Tenancy

CONTENT = "The safe behind the mirror opens with 4711."


@pytest.fixture
def work(tenancy: Tenancy, rows: Any, me: Any) -> Callable[[], None]:
    """Return a function that runs the queued jobs of the tenant, as a worker would."""

    def run() -> None:
        for row in rows.all("SELECT id FROM job WHERE tenant_id = :t AND status = 'queued'", t=me.tenant_id):
            assert run_job(tenancy, row.id)

    return run


@pytest.fixture
def erased(me: Any, work: Any, remember: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    made = remember(CONTENT, user_id="ada", external_id="safe")
    assert me.delete(f"/v1/memories/{made['id']}?erase=true").status_code == 202
    work()
    assert me.get(f"/v1/memories/{made['id']}").status_code == 410
    return made


def contents(me: Any) -> list[str]:
    return [memory["content"] for memory in me.get("/v1/memories").json()["data"]]


def item(**fields: Any) -> dict[str, Any]:
    return {"content": CONTENT, "user_id": "ada", **fields}


def test_a_conversation_says_which_turn_is_not_stored(me: Any, erased: dict[str, Any]) -> None:
    turns = [{"role": "user", "content": one} for one in ("The mirror is old.", CONTENT, "The lamp is new.")]
    answer = me.post("/v1/messages", json={"messages": turns, "user_id": "ada"}).json()
    assert len(answer["memories"]) == 3
    assert answer["memories"][1] == erased["id"]
    (refused,) = answer["rejected"]
    assert (refused["index"], refused["status"], refused["id"]) == (1, "rejected", None)
    assert (refused["problem"]["status"], refused["problem"]["code"]) == (409, "text_erased")
    assert contents(me) == ["The lamp is new.", "The mirror is old."]


@pytest.mark.parametrize(
    "fields",
    [
        {"external_id": "safe"},
        {},
        {"session_id": "another", "speaker": "Ada"},
        {"observed_at": "2024-01-01T00:00:00Z"},
    ],
    ids=["the same again", "without its name", "from another session", "observed before"],
)
def test_a_batch_does_not_bring_it_back(me: Any, erased: dict[str, Any], fields: dict[str, Any]) -> None:
    answer = me.post("/v1/memories/batch", json={"items": [item(**fields), {"content": "The mirror is old."}]})
    refused, stored = answer.json()["results"]
    assert (refused["status"], refused["id"]) == ("rejected", None)
    assert (refused["problem"]["status"], refused["problem"]["code"]) == (409, "text_erased")
    assert "opens with" not in answer.text
    assert stored["status"] == "created"
    assert contents(me) == ["The mirror is old."]


def test_nor_does_a_single_post_or_what_would_supersede(me: Any, erased: dict[str, Any]) -> None:
    answer = me.post("/v1/memories", json=item())
    assert (answer.status_code, answer.json()["code"]) == (409, "text_erased")
    assert (
        me.post("/v1/memories", json={"content": "Unknown.", "user_id": "ada", "external_id": "safe"}).status_code
        == 201
    )
    body = item(external_id="safe", on_conflict="supersede")
    assert me.post("/v1/memories", json=body).json()["code"] == "text_erased"
    assert contents(me) == ["Unknown."]


def test_messages_skip_it(me: Any, erased: dict[str, Any]) -> None:
    turns = [{"content": CONTENT}, {"content": "Which safe?"}]
    answer = me.post("/v1/messages", json={"user_id": "ada", "session_id": "s", "messages": turns})
    assert answer.status_code == 202
    assert answer.json()["memories"][0] == erased["id"]
    assert contents(me) == ["Which safe?"]


def test_said_anew_it_is_stored(me: Any, erased: dict[str, Any]) -> None:
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert me.post("/v1/memories", json=item(observed_at=later)).status_code == 201
    # From then on it is a memory like any other: a retry is a duplicate, not a return of what was erased.
    assert me.post("/v1/memories", json=item(observed_at=later)).status_code == 200


def test_others_may_say_the_same(me: Any, erased: dict[str, Any]) -> None:
    assert me.post("/v1/memories", json={"content": CONTENT, "user_id": "bob"}).status_code == 201
    assert me.post("/v1/memories", json={"content": CONTENT}).status_code == 201
    assert me.post("/v1/memories", json=item(namespace="elsewhere")).status_code == 201


def test_earlier_wordings_are_erased_with_it(me: Any, work: Any, remember: Callable[..., dict[str, Any]]) -> None:
    made = remember("Ada's number is 111.")
    assert me.patch(f"/v1/memories/{made['id']}", json={"content": "Ada's number is 222."}).status_code == 200
    me.delete(f"/v1/memories/{made['id']}?erase=true")
    work()
    for number in ("111", "222"):
        answer = me.post("/v1/memories", json={"content": f"Ada's number is {number}."})
        assert (answer.status_code, answer.json().get("code")) == (409, "text_erased")
