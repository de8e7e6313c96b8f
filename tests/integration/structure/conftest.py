"""A namespace with two conversations in it, and steps whose changes are written as they were planned."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from consolidation.planning import Change, End, Put
from consolidation.structure.loading import Place
from memory_service.storage import structure
from memory_service.storage.database import Database
from memory_service.storage.namespaces import find_namespaces

GARDEN = (
    "The tomatoes in my garden are finally ripe.", "I planted basil and mint next to the tomatoes.",
    "Snails ate half of the lettuce in the garden.", "I water the garden beds every evening.",
    "The garden compost smells, but the tomatoes love it.",
)  # fmt: skip
FLIGHT = (
    "My flight to Lisbon was cancelled on Friday.", "The airline rebooked me on a flight with a stop in Madrid.",
    "I asked the airline to refund the cancelled flight.", "The refund for the flight arrived on my card.",
    "Next time I fly to Lisbon with another airline.",
)  # fmt: skip
BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)

Step = Callable[[Place], list[Change]]


class Structures:
    """Steps over the default namespace of one tenant."""

    def __init__(self, me: Any, database: Database) -> None:
        self.me, self.database = me, database
        self.now = datetime.now(UTC)

    def say(self, *texts: str, session: str = "s", user: str | None = "ana", at: datetime = BEGAN) -> list[UUID]:
        made = []
        for n, content in enumerate(texts):
            body = {
                "content": content, "session_id": session, "user_id": user,
                "observed_at": (at + timedelta(minutes=n)).isoformat(),
            }  # fmt: skip
            answer = self.me.post("/v1/memories", json=body)
            assert answer.status_code == 201, answer.text
            made.append(UUID(answer.json()["id"]))
        return made

    def plan(self, step: Step, *, leaving: Iterable[UUID] = (), planned: Sequence[Change] = ()) -> list[Change]:
        self.now = datetime.now(UTC)
        with self.database.transaction(self.me.tenant_id) as session:
            return step(replace(self.place(session, leaving=frozenset(leaving)), planned=planned))

    def place(self, session: Any, *, leaving: frozenset[UUID] = frozenset()) -> Place:
        space = find_namespaces(session, self.me.tenant_id, ["default"])["default"]
        tenant_id = self.me.tenant_id
        return Place(lambda: self.database.transaction(tenant_id), tenant_id, space, self.now, leaving)

    def run(self, step: Step, **options: Any) -> list[Change]:
        """Plan a step and write its changes."""
        changes = self.plan(step, **options)
        with self.database.transaction(self.me.tenant_id) as session:
            space = self.place(session).namespace.id
            for change in changes:
                if isinstance(change, Put):
                    assert structure.put(
                        session, self.me.tenant_id, space, change.structure, change.id, change.values,
                        changeset_id=None, now=self.now,
                    )  # fmt: skip
                elif isinstance(change, End):
                    structure.end(session, self.me.tenant_id, change.structure, [change.id], now=self.now)
        return changes

    def live(self, kind: str) -> dict[UUID, dict[str, Any]]:
        with self.database.transaction(self.me.tenant_id) as session:
            return structure.live_in(session, self.me.tenant_id, kind, self.place(session).namespace.id)

    def gists(self, kind: str) -> dict[UUID, dict[str, Any]]:
        return {one["target_id"]: one for one in self.live("gist").values() if one["target_structure"] == kind}


@pytest.fixture
def structures(me: Any, database: Database) -> Structures:
    return Structures(me, database)
