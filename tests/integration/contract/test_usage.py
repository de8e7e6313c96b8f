"""Usage: what is counted, of whom, and how often."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from memory_service.api import measuring
from memory_service.storage.ids import new_id


def usage(me: Any, **parameters: Any) -> dict[str, Any]:
    answer = me.get("/v1/usage", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_empty_tenant_has_used_nothing(me: Any) -> None:
    found = usage(me, days=2)
    today = datetime.now(UTC).date()
    assert found["memories"] == {"total": 0, "by_state": {}}
    assert found["bytes"] == {"memories": 0, "versions": 0, "documents": 0}
    assert [one["day"] for one in found["days"]] == [(today - timedelta(days=1)).isoformat(), today.isoformat()]
    assert (found["namespace"], found["models"]) == (None, [])
    assert usage(me, namespace="default")["memories"]["total"] == 0


def test_states_bytes_and_days(me: Any, api: Any, work: Any) -> None:
    text_of = "Zoë."  # five bytes
    kept = api.remember(text_of, namespace="here")
    me.patch(f"/v1/memories/{kept['id']}", json={"content": "New."})
    gone = api.remember("Archived.", namespace="here")
    me.delete(f"/v1/memories/{gone['id']}")
    api.remember("Pinned.", namespace="there", pinned=True)
    me.post("/v1/documents", json={"content": "A paper.", "namespace": "there"})
    work(me.tenant_id)
    for _ in range(3):
        api.search("paper", namespace="there")
    api.search("paper", namespaces=["here", "there"])
    whole, here = usage(me), usage(me, namespace="here")
    assert whole["memories"] == {"total": 4, "by_state": {"activated": 2, "archived": 1, "frozen": 1}}
    assert here["memories"] == {"total": 2, "by_state": {"activated": 1, "archived": 1}}
    assert here["bytes"] == {
        "memories": len("New.Archived."),
        "versions": len(text_of.encode()) + len("Archived."),
        "documents": 0,
    }
    assert whole["bytes"]["documents"] == len("A paper.")
    assert whole["days"][-1] == {"day": datetime.now(UTC).date().isoformat(), "memories": 4, "searches": 4}
    assert (here["days"][-1]["memories"], here["days"][-1]["searches"]) == (2, 1)
    assert len(whole["days"]) == 30


def test_tokens_of_models(me: Any, maintenance: Engine) -> None:
    with maintenance.begin() as connection:
        for model, tokens, age in (("a", 7, 0), ("a", 5, 1), ("b", 3, 0), ("a", 1000, 40)):
            connection.execute(
                text(
                    "INSERT INTO model_usage (tenant_id, id, task, model, calls, prompt_tokens, completion_tokens, refused, "
                    "dead_letters, created_at, expires_at) VALUES (:t, :id, 'facts', :model, 1, :n, 1, 0, 0, "
                    "now() - make_interval(days => :age), now() + interval '1 day')"
                ),
                {"t": me.tenant_id, "id": new_id(), "model": model, "n": tokens, "age": age},
            )
    assert usage(me)["models"] == [
        {"model": "a", "calls": 2, "prompt_tokens": 12, "completion_tokens": 2},
        {"model": "b", "calls": 1, "prompt_tokens": 3, "completion_tokens": 1},
    ]
    assert usage(me, days=1)["models"][0]["prompt_tokens"] == 7


def test_it_is_counted_now_and_then(me: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = usage(me)
    api.remember("Since then.")
    assert usage(me) == first
    monkeypatch.setattr(measuring, "REMEMBERED", timedelta(0))
    assert usage(me)["memories"]["total"] == 1


def test_nobody_sees_what_others_use(me: Any, api: Any, make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    api.remember("Mine.", namespace="here")
    usage(me, namespace="here")
    stranger = as_tenant(make_tenant())
    assert usage(stranger)["memories"]["total"] == 0
    assert stranger.get("/v1/usage?namespace=here").status_code == 404


def test_bad_questions(me: Any, problem: Any) -> None:
    for query in ("days=0", "days=91", "days=x", "namespace=//", "user_id=a"):
        problem(me.get(f"/v1/usage?{query}"), 422)
    problem(me.get("/v1/usage?namespace=nowhere"), 404, "namespace_not_found")
