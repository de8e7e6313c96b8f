"""What a run is not sure about waits for a person; every decision can be taken back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from consolidation.planning import Ask, ReviewKind, Step, Why

WHY = Why(Step.CONFLICTS, "perhaps the same", 0.9)


@pytest.fixture
def pair(remember: Callable[..., dict[str, Any]]) -> list[str]:
    return [
        remember("Ana lives in Lisbon.", observed_at="2024-01-01T00:00:00Z")["id"],
        remember("Ana moved to Porto.", observed_at="2024-06-01T00:00:00Z")["id"],
    ]


def asked(me: Any, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = me.get("/v1/reviews", params=query).json()["data"]
    return found


@pytest.mark.parametrize("proposal", ["merge", "supersede", "archive"])
def test_approving_does_what_is_proposed_and_undoing_takes_it_back(
    me: Any, pair: list[str], do: Any, ref: Any, snapshot: Any, proposal: str
) -> None:
    memories = (ref(pair[0]),) if proposal == "archive" else (ref(pair[0]), ref(pair[1]))
    kind = ReviewKind.LOW_TRUST if proposal == "archive" else ReviewKind.CONFLICT
    do(Ask(kind, memories, proposal, WHY))
    (review,) = asked(me, status="open", kind=kind.value)
    assert (review["memory_ids"], review["reason"], review["score"]) == (
        [str(m.id) for m in memories],
        "perhaps the same",
        0.9,
    )
    before = snapshot()
    approved = me.post(f"/v1/reviews/{review['id']}/approve").json()
    assert approved["status"] == "approved"
    old = me.get(f"/v1/memories/{pair[0]}").json()
    state, by = {"merge": ("merged", pair[1]), "supersede": ("activated", pair[1]), "archive": ("archived", None)}[
        proposal
    ]
    assert (old["state"], old.get("superseded_by")) == (state, by)
    changeset = me.get(f"/v1/changesets/{approved['decision_changeset_id']}").json()
    assert (changeset["kind"], changeset["changes"][0]["method"]) == ("review", "person")
    again = me.post(f"/v1/reviews/{review['id']}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "review_decided")
    undone = me.post(f"/v1/reviews/{review['id']}/undo").json()
    assert (undone["status"], undone["decided_at"]) == ("open", None)
    assert snapshot() == before


def test_what_was_declined_is_not_asked_again(me: Any, pair: list[str], do: Any, ref: Any, snapshot: Any) -> None:
    ask = Ask(ReviewKind.DUPLICATE, (ref(pair[0]), ref(pair[1])), "merge", WHY)
    do(ask)
    (review,) = asked(me)
    before = snapshot()["memories"]
    assert me.post(f"/v1/reviews/{review['id']}/decline").json()["status"] == "declined"
    assert do(ask) is None
    assert asked(me, status="open") == []
    assert snapshot()["memories"] == before
    assert me.post(f"/v1/reviews/{review['id']}/undo").json()["status"] == "open"
    refused = me.post(f"/v1/reviews/{review['id']}/undo")
    assert (refused.status_code, refused.json()["code"]) == (409, "review_not_decided")


def test_a_review_of_what_is_gone_can_only_be_declined(me: Any, pair: list[str], do: Any, ref: Any) -> None:
    do(Ask(ReviewKind.CONFLICT, (ref(pair[0]), ref(pair[1])), "supersede", WHY))
    (review,) = asked(me)
    me.delete(f"/v1/memories/{pair[1]}")
    refused = me.post(f"/v1/reviews/{review['id']}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "review_outdated")
    assert me.get(f"/v1/reviews/{review['id']}").json()["status"] == "open"
    assert me.post(f"/v1/reviews/{review['id']}/decline").status_code == 200


def test_reverting_the_run_withdraws_its_questions(me: Any, pair: list[str], do: Any, ref: Any) -> None:
    changeset = do(Ask(ReviewKind.CONFLICT, (ref(pair[0]), ref(pair[1])), "supersede", WHY))
    assert me.post(f"/v1/changesets/{changeset}/revert").status_code == 200
    assert [review["status"] for review in asked(me)] == ["withdrawn"]


def test_erasing_a_memory_drops_the_questions_about_it(
    me: Any, pair: list[str], do: Any, ref: Any, database: Any
) -> None:
    from memory_service.lifecycle.erase import erase

    do(Ask(ReviewKind.CONFLICT, (ref(pair[0]), ref(pair[1])), "supersede", WHY))
    with database.transaction(me.tenant_id) as session:
        erase(session, me.tenant_id, [ref(pair[0]).id], now=datetime.now(UTC))
    assert asked(me) == []


def test_another_tenant_decides_nothing(
    me: Any, pair: list[str], do: Any, ref: Any, as_tenant: Any, make_tenant: Any
) -> None:
    do(Ask(ReviewKind.CONFLICT, (ref(pair[0]), ref(pair[1])), "supersede", WHY))
    (review,) = asked(me)
    other = as_tenant(make_tenant())
    assert asked(other) == []
    for call in ("approve", "decline", "undo"):
        assert other.post(f"/v1/reviews/{review['id']}/{call}").json()["code"] == "review_not_found"
    assert me.get(f"/v1/reviews/{uuid4()}").status_code == 404
    assert me.get("/v1/reviews?status=nonsense").status_code == 422
