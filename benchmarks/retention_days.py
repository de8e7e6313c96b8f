"""Days in the life of namespaces: questions asked by Zipf, useful recalls strengthened, weekly sweeps applied."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from consolidation.planning import Archive, Retier, Revise
from consolidation.retention.forgetting import plan_retention
from memory_service.lifecycle.archive import archive
from memory_service.lifecycle.fading import settle
from memory_service.lifecycle.moments import not_before
from memory_service.lifecycle.reinforce import reinforce
from memory_service.storage import memories
from memory_service.storage.database import Database
from memory_service.storage.fading import load_fading, policy_of
from memory_service.storage.ids import new_id
from memory_service.storage.precision import move_tiers
from memory_service.types import PrecisionTier
from retrieval.recall import recall
from retrieval.recalled import Recalled
from retrieval.request import RecallRequest
from retrieval.results import Result
from retrieval.tools import Tools

TOP = 10
EVERY = 7  # days between two sweeps

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a namespace, and the memories that answer it."""

    namespace: str
    text: str
    gold: frozenset[UUID]


@dataclass(slots=True)
class Life:
    """One tenant over the days; searches and changes are the service's own."""

    database: Database
    tenant_id: UUID
    tools: Tools
    vectors_of: Callable[[Session, Sequence[UUID]], Mapping[tuple[UUID, int], NDArray[np.float32]]]
    spaces: Mapping[str, UUID]
    counts: dict[str, int] = field(default_factory=dict)
    _found: dict[Asked, tuple[Result, ...]] = field(default_factory=dict)

    def search(self, asked: Asked, *, now: datetime) -> tuple[Result, ...]:
        """Return the best results; between two sweeps nothing changes them, so each question is searched once."""
        if asked not in self._found:
            found = recall(
                lambda: self.database.transaction(self.tenant_id, durable=False),
                self.tenant_id,
                RecallRequest(asked.text, namespace=asked.namespace, top_k=TOP, now=now),
                tools=self.tools,
                now=now,
                deliver=_nothing,
            )
            self._found[asked] = found.results
        return self._found[asked]

    def ask(self, asked: Asked, *, now: datetime) -> None:
        """Ask a question; what answers it and was found is a useful recall, the other results were ignored."""
        useful = [one for one in self.search(asked, now=now) if one.found.id in asked.gold]
        if useful:
            with self.database.transaction(self.tenant_id, durable=False) as session:
                reinforce(session, self.tenant_id, new_id(), useful, now=now)
        self._count("useful recalls", len(useful))

    def sweep(self, *, now: datetime) -> None:
        """Plan retention for every namespace and apply it, as a run of consolidation does."""
        for namespace_id in self.spaces.values():
            with self.database.transaction(self.tenant_id, durable=False) as session:
                policy = policy_of(session, self.tenant_id, namespace_id)
                rows = load_fading(session, self.tenant_id, namespace_id, now=now)
                changes = plan_retention(rows, policy, now=now)
                self._archive(session, [c.memory.id for c in changes if isinstance(c, Archive)], now=now)
                self._promote(session, [c for c in changes if isinstance(c, Revise)], now=now)
                self._move(session, [c for c in changes if isinstance(c, Retier)], now=now)
                settle(session, self.tenant_id, namespace_id, rows, policy, now=now, job_ttl=timedelta(days=1))
            self._count("read by sweeps", len(rows))
            if changes:
                self._found.clear()

    def shares(self, questions: Sequence[Asked], *, now: datetime) -> list[float]:
        """Return which share of the answers of each question is among the first ten."""
        self._found.clear()
        found = [{one.found.id for one in self.search(asked, now=now)} for asked in questions]
        return [len(ids & asked.gold) / len(asked.gold) for ids, asked in zip(found, questions, strict=True)]

    def _archive(self, session: Session, ids: Sequence[UUID], *, now: datetime) -> None:
        self._count("archived", len(archive(session, self.tenant_id, ids, now=now)) if ids else 0)

    def _promote(self, session: Session, changes: Sequence[Revise], *, now: datetime) -> None:
        for change in changes:
            locked = memories.lock_memories(session, self.tenant_id, [change.memory.id])
            at = not_before(now, locked.values())
            memories.keep_versions(session, self.tenant_id, [change.memory.id], now=at)
            memories.update_memories(session, self.tenant_id, [change.memory.id], change.fields, now=at)
        self._count("promoted", len(changes))

    def _move(self, session: Session, changes: Sequence[Retier], *, now: datetime) -> None:
        if not changes:
            return
        moves = [(c.memory_id, PrecisionTier[c.tier.upper()]) for c in changes]
        rising = [c.memory_id for c in changes if PrecisionTier[c.tier.upper()] < PrecisionTier[c.before.upper()]]
        given = self.vectors_of(session, rising) if rising else {}
        done = move_tiers(session, self.tenant_id, moves, now=now, vectors=given)
        self._count("moved down", len(changes) - len(rising))
        self._count("moved up", len(rising) - len(done.unencoded))

    def _count(self, name: str, amount: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount


def _nothing(_: Session, __: Recalled) -> None:
    """Keep no trace."""


def live(
    life: Life, questions: Sequence[Asked], *, days: int, per_day: int, exponent: float, start: datetime, seed: int,
    done: Callable[[], object],
) -> list[int]:  # fmt: skip
    """Live some days from `start` on; return the numbers of the questions that were asked at least once.

    The popularity of a question is drawn once: p ∝ 1 / rank^exponent.
    """
    rng = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, len(questions) + 1) ** exponent
    weights = (weights / weights.sum())[rng.permutation(len(questions))]
    asked: set[int] = set()
    for day in range(1, days + 1):
        now = start + timedelta(days=day)
        for number in rng.choice(len(questions), size=per_day, p=weights).tolist():
            life.ask(questions[number], now=now)
            asked.add(number)
        if day % EVERY == 0 or day == days:
            life.sweep(now=now)
        done()
    return sorted(asked)
