"""Which memories were of use to the same searches, from HTTP to the links that are planned."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation.planning import Join
from consolidation.zettelkasten.co_recall import CoRecalls, plan_co_recalls
from memory_service.storage.co_recalls import load_co_recalls
from memory_service.storage.database import Database


@pytest.fixture
def four(me: Any) -> list[str]:
    """Return four memories of one topic."""
    contents = ("The lake is cold.", "The lake is deep.", "A boat on the lake.", "The lake at night.")
    return [me.post("/v1/memories", json={"content": one}).json()["id"] for one in contents]


def search(me: Any, *useful: str, of_no_use: tuple[str, ...] = (), **fields: Any) -> None:
    """Search, and say of some results whether they were of use."""
    found = me.post("/v1/search", json={"query": "the lake", **fields}).json()
    path = f"/v1/traces/{found['search_id']}/feedback"
    for memory_id, judgement in [(one, True) for one in useful] + [(one, False) for one in of_no_use]:
        answer = me.post(path, json={"memory_id": memory_id, "useful": judgement, "cited": False})
        assert answer.status_code in {200, 201}, answer.text


def load(database: Database, me: Any, since: datetime | None = None, path: str = "default") -> CoRecalls:
    with database.transaction(me.tenant_id) as session:
        namespace_id = session.scalar(
            text("SELECT id FROM namespace WHERE tenant_id = :t AND path = :path"), {"t": me.tenant_id, "path": path}
        )
        return load_co_recalls(session, me.tenant_id, namespace_id, since)


def planned(known: CoRecalls) -> set[tuple[str, str]]:
    changes = plan_co_recalls(known, datetime.now(UTC))
    assert all(isinstance(change, Join) for change in changes)
    return {(str(join.source), str(join.target)) for join in changes if isinstance(join, Join)}


def test_what_was_of_use_together_is_linked_and_searches_alone_are_not(
    me: Any, four: list[str], database: Database
) -> None:
    search(me)
    assert load(database, me) == CoRecalls()
    search(me, four[0], four[1], of_no_use=(four[2],))
    assert planned(load(database, me)) == {(four[1], four[0])}
    # A long list that was reinforced without a word about its parts is too little.
    search(me, reinforce=True)
    assert (four[3], four[2]) not in planned(load(database, me))


def test_only_what_was_recalled_since_is_read_with_all_that_it_rests_on(
    me: Any, four: list[str], database: Database
) -> None:
    search(me, four[0], four[1])
    moment = datetime.now(UTC)
    assert load(database, me, since=moment) == CoRecalls()
    search(me, four[1], four[2])
    known = load(database, me, since=moment)
    assert len({recall.trace_id for recall in known.recalls}) == 2
    assert planned(known) == {(four[1], four[0]), (four[2], four[1])}
    assert planned(load(database, me, since=moment - timedelta(hours=1))) == planned(known)


def test_archived_memories_and_other_tenants_are_left_out(
    me: Any, four: list[str], database: Database, as_tenant: Any, make_tenant: Any
) -> None:
    search(me, four[0], four[1])
    assert me.delete(f"/v1/memories/{four[0]}").status_code == 204
    known = load(database, me)
    assert UUID(four[0]) not in known.live
    assert planned(known) == set()
    stranger = as_tenant(make_tenant())
    stranger.post("/v1/memories", json={"content": "A lake."})
    with database.transaction(stranger.tenant_id) as session:
        mine = session.scalar(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": stranger.tenant_id})
        assert load_co_recalls(session, stranger.tenant_id, mine, None) == CoRecalls()
