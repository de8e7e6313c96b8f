"""Random sequences of writing, running, recalling, correcting and reverting: what holds equals a model, and nothing is lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from consolidation.enriching import enrich_pending
from consolidation.planning import Step
from consolidation.run import run
from consolidation.tenancy import Tenancy
from consolidation.wanted import Wanted
from memory_service.storage.database import Database

SENTENCES = (
    "I live in Lisbon.",
    "I live in Porto now.",
    "I live in Lisbon.",
    "My budget for the kitchen is 500 euros.",
    "My budget for the kitchen is now 650 euros.",
    "I have a dog called Rex.",
    "I have a cat called Mia.",
    "The violin lesson with Marta is on Tuesday.",
    "The violin lesson with Marta moved to Thursday.",
    "I no longer eat meat.",
    "I eat meat every Sunday.",
    "Where do you keep the spare key?",
)
STATE = """
    SELECT m.id, m.content, m.state, m.superseded_by, m.valid_to, m.title, m.context, m.keywords, m.tags, m.importance,
        m.memory_type, m.computed, m.dedupe_hash, m.archived_at IS NULL AS live, m.version
    FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
    WHERE m.tenant_id = :t AND n.path = :path
"""
LINKS = """
    SELECT l.source_id, l.target_id, l.type, l.weight FROM link l JOIN namespace n ON n.tenant_id = l.tenant_id
    AND n.id = l.namespace_id WHERE l.tenant_id = :t AND n.path = :path AND l.known_to = 'infinity'
"""
# Memories of whose history a version is missing.
GAPS = """
    SELECT m.id FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
    LEFT JOIN memory_version v ON v.tenant_id = m.tenant_id AND v.id = m.id
    WHERE m.tenant_id = :t AND n.path = :path GROUP BY m.id, m.version
    HAVING coalesce(array_agg(v.version ORDER BY v.version) FILTER (WHERE v.version IS NOT NULL), '{}')
        <> ARRAY(SELECT generate_series(1, m.version - 1))
"""

Operation = tuple[str, int]
operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, len(SENTENCES) - 1)),
        st.tuples(st.just("run"), st.just(0)),
        st.tuples(st.sampled_from(["recall", "correct", "revert"]), st.integers(0, 7)),
    ),
    min_size=4,
    max_size=12,
)


@dataclass
class World:
    """A namespace of its own, and what should hold in it."""

    me: Any
    rows: Any
    tenancy: Tenancy
    path: str = field(default_factory=lambda: f"sequences/{uuid4()}")
    said: dict[UUID, str] = field(default_factory=dict)  # what was said, by memory
    tags: dict[UUID, str] = field(default_factory=dict)  # what somebody said about it since
    runs: list[tuple[UUID, dict[UUID, Any], dict[UUID, Any], list[Any]]] = field(default_factory=list)
    at: datetime = datetime(2024, 1, 1, tzinfo=UTC)

    def state(self) -> dict[UUID, dict[str, Any]]:
        """Return every memory without its version."""
        found = {row.id: dict(row._mapping) for row in self.rows.all(STATE, t=self.me.tenant_id, path=self.path)}
        return {i: {name: value for name, value in row.items() if name != "version"} for i, row in found.items()}

    def links(self) -> list[Any]:
        return sorted(tuple(row) for row in self.rows.all(LINKS, t=self.me.tenant_id, path=self.path))

    def write(self, number: int) -> None:
        self.at += timedelta(days=1)
        body = {
            "content": SENTENCES[number], "namespace": self.path, "speaker": "Ana", "user_id": "ana",
            "observed_at": self.at.isoformat(),
        }  # fmt: skip
        answer = self.me.post("/v1/memories", json=body)
        assert answer.status_code == 201, answer.text
        self.said[UUID(answer.json()["id"])] = SENTENCES[number]

    def run(self, _: int) -> None:
        if not self.said:
            return
        enrich_pending(self.tenancy)
        namespace = self.rows.one(
            "SELECT id FROM namespace WHERE tenant_id = :t AND path = :p", t=self.me.tenant_id, p=self.path
        )
        before, links = self.state(), self.links()
        steps = frozenset({Step.CONFLICTS, Step.NOTES, Step.LINKS})
        outcome = run(self.tenancy, namespace.id, Wanted(steps=steps), report=lambda *_: True)
        if outcome.changesets:
            (changeset,) = outcome.changesets
            self.runs.append((changeset, before, self.state(), links))

    def recall(self, _: int) -> None:
        if not self.said:
            return
        before, links = self.state(), self.links()
        body = {"query": "Where does Ana live?", "namespace": self.path, "reinforce": True, "top_k": 3}
        assert self.me.post("/v1/search", json=body).status_code == 200
        assert (self.state(), self.links()) == (before, links), "a recall strengthens and changes nothing else"

    def correct(self, number: int) -> None:
        if not self.said:
            return
        memory_id = sorted(self.said)[number % len(self.said)]
        self.tags[memory_id] = f"tag{len(self.tags)}{number}"
        answer = self.me.patch(f"/v1/memories/{memory_id}", json={"tags": [self.tags[memory_id]]})
        assert answer.status_code == 200, answer.text

    def revert(self, number: int) -> None:
        if not self.runs:
            return
        place = number % len(self.runs)
        changeset, before, after, links = self.runs[place]
        now, links_now = self.state(), self.links()
        touched = {i for i in before if before[i] != after[i]}
        answer = self.me.post(f"/v1/changesets/{changeset}/revert")
        if answer.status_code == 409:
            assert (self.state(), self.links()) == (now, links_now), "a refused revert changes nothing"
            if answer.json()["code"] == "changed_since":
                named = {UUID(error["pointer"].rsplit("/", 1)[1]) for error in answer.json()["errors"]}
                assert named
                assert named <= touched
            return
        assert answer.status_code == 200, answer.text
        back = self.state()
        for memory_id in before:
            expected = before[memory_id] if memory_id in touched else now[memory_id]
            assert back[memory_id] == expected
        assert {i: back[i] for i in back.keys() - before.keys()} == {i: now[i] for i in back.keys() - before.keys()}
        if place == len(self.runs) - 1 and now == after:
            assert self.links() == links
        del self.runs[place]

    def check(self) -> None:
        """Compare with the model: every text is there, whoever is merged leads to a live one, no version is missing."""
        state = self.state()
        assert {i: row["content"] for i, row in state.items()} == self.said
        for memory_id, tag in self.tags.items():
            assert tag in state[memory_id]["tags"]
        for memory_id, row in state.items():
            seen = {memory_id}
            at = row
            while not at["live"]:
                assert at["state"] == "merged"
                assert at["superseded_by"] not in seen
                seen.add(at["superseded_by"])
                at = state[at["superseded_by"]]
        assert self.rows.all(GAPS, t=self.me.tenant_id, path=self.path) == []


@pytest.mark.slow
def test_the_state_equals_the_model(
    as_tenant: Callable[..., Any], make_tenant: Callable[..., Any], rows: Any, role_urls: Any, database: Database
) -> None:
    me = as_tenant(make_tenant())
    engine = create_engine(role_urls.maintenance, pool_size=1)  # asked thousands of times
    looking = type(rows)(engine)
    tenancy = Tenancy(
        tenant_id=me.tenant_id, open=lambda: database.transaction(me.tenant_id), clock=lambda: datetime.now(UTC)
    )

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operations)
    def sequences(done: list[Operation]) -> None:
        world = World(me, looking, tenancy)
        for name, number in done:
            getattr(world, name)(number)
            world.check()

    sequences()
    engine.dispose()
