"""One run over a namespace: load what is new, decide with pure steps, apply as changesets.

No connection is held while a step decides. A batch of new memories is one changeset; what the tiers above owe joins the last
batch, so that a run over few memories is a single changeset that one call reverts.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.accounting import budget_of, write_down
from consolidation.asking import Outcome as Asked
from consolidation.counsel import Counsel
from consolidation.fading_step import Faded, load_faded, settle_faded
from consolidation.gist import Source
from consolidation.loading import load_considered, load_neighbourhood
from consolidation.neighbourhood import Neighbourhood
from consolidation.planning import (
    TIER_OF,
    Change,
    Derive,
    Plan,
    Put,
    Step,
    Tier,
    leaves_results,
    plan_json,
    stays_for_others,
)
from consolidation.records import Considered, Record, Ref
from consolidation.structure_loading import Place
from consolidation.structure_steps import STEPS as TIER_STEPS
from consolidation.structure_steps import sources_of
from consolidation.turn_steps import plan_turn
from memory_service.analysis.facts import Fact
from memory_service.errors import MemoryServiceError
from memory_service.lifecycle.changesets import Derived, EvidenceLost, PlanOutdated, apply
from memory_service.lifecycle.draft import Draft, prepare
from memory_service.storage import considered, consolidated
from memory_service.storage.facts import facts_of
from memory_service.storage.namespaces import Namespace, get_namespace
from memory_service.types import Extract, MemoryType, SourceKind
from retrieval.feed import vectors_of

if TYPE_CHECKING:
    from consolidation.consolidate import Tenancy

BATCH: Final = 500  # memories of one changeset
ATTEMPTS: Final = 3  # for a batch whose memories are changed meanwhile
JOB_TTL: Final = timedelta(days=30)  # of jobs that erase what the operator's policy wants erased
SHOWN: Final = 1_000  # changes in the answer of a dry run
MOST_SET_ASIDE: Final = 20  # memories that cannot be consolidated; with more of them something else is wrong

_STEPS: Final = {tier: frozenset(step for step in Step if TIER_OF[step] is tier) for tier in Tier}

log = structlog.get_logger(__name__)

Report = Callable[[int, int, Sequence[Mapping[str, Any]]], bool]
"""Takes how many memories are done, of how many, and the outcomes of some; False says: stop."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do."""

    steps: frozenset[Step] = frozenset(Step)
    again: bool = False  # also memories that were consolidated before
    dry_run: bool = False  # plan only
    due_only: bool = False  # of the tiers above the turn only what is due; otherwise all that they owe

    @property
    def by_place(self) -> bool:
        """Say whether what is done is known only by how far the run is: memories are not marked, or were before."""
        return self.again or self.dry_run


@dataclass(slots=True)
class Outcome:
    """What a run did, or would do."""

    considered: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    changesets: list[UUID] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    after: UUID | None = None  # the last memory that it looked at, where that says what is done

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Outcome":
        """Return what a run that was stopped had done, to go on from there."""
        if not stored:
            return cls()
        return cls(
            considered=stored["considered"],
            counts=dict(stored["counts"]),
            changesets=[UUID(one) for one in stored["changesets"]],
            changes=list(stored["changes"]),
            after=UUID(stored["after"]) if stored.get("after") else None,
        )

    def add(self, plan: Plan, changeset_id: UUID | None, *, considered: int, show: bool) -> None:
        """Count a plan that was applied, or would be."""
        self.considered += considered
        for name, number in plan.counts().items():
            self.counts[name] = self.counts.get(name, 0) + number
        if changeset_id is not None:
            self.changesets.append(changeset_id)
        if show:
            room = SHOWN - len(self.changes)
            self.changes += plan_json(Plan(plan.namespace_id, plan.changes[:room]))["changes"]

    def json(self) -> dict[str, Any]:
        """Return the outcome as JSON."""
        return {
            "considered": self.considered,
            "counts": self.counts,
            "changesets": [str(i) for i in self.changesets],
            "changes": self.changes,
            "truncated": sum(self.counts.values()) > len(self.changes) > 0,
            **({"after": str(self.after)} if self.stopped and self.after is not None else {}),
        }


def run(
    tenancy: "Tenancy",
    namespace_id: UUID,
    wanted: Wanted,
    *,
    report: Report,
    job_id: UUID | None = None,
    so_far: Outcome | None = None,
) -> Outcome:
    """Consolidate what waits in a namespace; `so_far` is what a run that was stopped had done.

    A memory with which a step cannot go on is set aside: it is marked as done, and the others have their turn.

    Raises:
        EvidenceLost: what the tiers above planned would have lost a source; it was not applied.
        Unavailable: the database was busy or down; what was applied stays, and the next run goes on from there.
    """
    return _Run(tenancy, namespace_id, wanted, report, job_id, so_far or Outcome()).go()


class _Run:
    """The state of one run: what it has read and done so far."""

    def __init__(
        self,
        tenancy: "Tenancy",
        namespace_id: UUID,
        wanted: Wanted,
        report: Report,
        job_id: UUID | None,
        so_far: Outcome,
    ) -> None:
        self.tenancy = tenancy
        self.wanted = wanted
        self.report = report
        self.job_id = job_id
        self.outcome = so_far
        self.set_aside = 0
        self.total = 0
        self.counsel = self._open_counsel()
        self.faded: Faded | None = None  # what the last plan lets fade
        self.bare: list[Ref] = []  # those of the batch that no vector leads to: nothing is near them, and they are done
        self.cache: dict[UUID, Record] = {}
        self.facts: dict[tuple[UUID, int], tuple[Fact, ...]] = {}
        self.gone: set[UUID] = set()  # merged or archived in plans that were not applied (dry run)
        with tenancy.open() as session:
            self.namespace: Namespace = get_namespace(session, tenancy.tenant_id, namespace_id)

    def go(self) -> Outcome:
        """Work batch by batch."""
        tenant_id, now = self.tenancy.tenant_id, self.tenancy.clock()
        near: Neighbourhood | None = None
        with self.tenancy.open() as session:
            total = considered.count_unconsolidated(
                session, tenant_id, self.namespace.id, again=self.wanted.again, now=now
            )
        total += 0 if self.wanted.by_place else self.outcome.considered
        self.total = total
        after = self.outcome.after
        while True:
            rows = self._next(after)
            last = len(rows) < BATCH
            if rows:
                after = rows[-1]["id"]
            if rows and near is None:
                with self.tenancy.open() as session:
                    near = load_neighbourhood(session, tenant_id, self.namespace, now=self.tenancy.clock())
            self._batch([row["id"] for row in rows], near, last=last)
            self.outcome.after = after if self.wanted.by_place else None
            done = min(total, self.outcome.considered)
            # Asked at the end as well: a cancel that came meanwhile is heard.
            if not self.report(done, max(total, done), []) and not last:
                self.outcome.stopped = True
            if last or self.outcome.stopped:
                return self.outcome

    def _next(self, after: UUID | None) -> Sequence[Any]:
        with self.tenancy.open() as session:
            return considered.unconsolidated(
                session,
                self.tenancy.tenant_id,
                self.namespace.id,
                again_after=after,
                again=self.wanted.again,
                limit=BATCH,
                now=self.tenancy.clock(),
            )

    def _batch(self, ids: Sequence[UUID], near: Neighbourhood | None, *, last: bool) -> None:
        """Plan and apply one batch; one that fails is halved until the memory is found at which it does, and that is set aside."""
        try:
            self._attempt(ids, near, last=last)
        except MemoryServiceError:
            raise  # The database or the model, not a memory.
        except Exception as error:
            if not ids or self.set_aside >= MOST_SET_ASIDE:
                raise
            # The message of the error may quote a text.
            log.warning("batch_failed", memories=len(ids), error=type(error).__name__)
            if len(ids) == 1 and not last:
                self._set_aside(ids[0])
                return
            half = (len(ids) + 1) // 2
            self._batch(ids[:half], near, last=False)
            if ids[half:]:
                self._batch(ids[half:], near, last=False)
            if last:
                self._batch((), near, last=True)

    def _set_aside(self, memory_id: UUID) -> None:
        """Mark a memory as done without a finding."""
        self.set_aside += 1
        log.error("memory_set_aside", memory_id=str(memory_id))
        self.outcome.considered += 1
        if self.wanted.dry_run:
            return
        tenant_id, now = self.tenancy.tenant_id, self.tenancy.clock()
        with self.tenancy.open() as session:
            rows = considered.live_records(session, tenant_id, [memory_id], now=now)
            seen = tuple(Ref(row["id"], row["version"]) for row in rows)
            apply(session, tenant_id, Plan(self.namespace.id, considered=seen), now=now, job_id=self.job_id)

    def _attempt(self, ids: Sequence[UUID], near: Neighbourhood | None, *, last: bool) -> None:
        """Plan and apply, anew when memories changed meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            plan = self._plan(ids, near, last=last)
            if self.wanted.dry_run:
                self.gone |= leaves_results(plan.changes)
                self.outcome.add(plan, None, considered=len(ids), show=True)
                return
            derived = self._derived(plan)
            try:
                with self.tenancy.open() as session:
                    now = self.tenancy.clock()
                    changeset_id = apply(
                        session,
                        self.tenancy.tenant_id,
                        plan,
                        now=now,
                        job_id=self.job_id,
                        usage=dict(self.counsel.usage) if self.counsel is not None else None,
                        derived=derived,
                    )
                    if self.faded is not None:
                        settle_faded(
                            session, self.tenancy.tenant_id, self.namespace.id, self.faded, now=now, job_ttl=JOB_TTL
                        )
            except PlanOutdated as outdated:
                self._forget(outdated.memory_ids)
                log.info("plan_outdated", memories=len(outdated.memory_ids), attempt=attempt)
                continue
            except EvidenceLost as lost:
                log.error("evidence_would_be_lost", memories=len(lost.memory_ids))
                raise
            self._forget(plan.reads())
            self.outcome.add(plan, changeset_id, considered=len(ids), show=False)
            return
        log.warning("batch_left", memories=len(ids))  # They are being changed all the time; the next run finds them.

    def _forget(self, ids: Collection[UUID]) -> None:
        for memory_id in ids:
            self.cache.pop(memory_id, None)

    def _plan(self, ids: Sequence[UUID], near: Neighbourhood | None, *, last: bool) -> Plan:
        """Load and decide: the steps of the turn tier over the batch, then those of the tiers above."""
        fresh = self._load(ids, near)
        changes = plan_turn(
            fresh, self._facts(fresh), steps=self.wanted.steps & _STEPS[Tier.TURN], now=self.tenancy.clock()
        )
        if self.counsel is not None:
            changes = self.counsel.turn(fresh, changes, self.wanted.steps)
        settled: frozenset[Tier] = frozenset()
        if last:
            settled = self._due()
            self.faded = None
            for step, work in TIER_STEPS.items():
                if step in self.wanted.steps and TIER_OF[step] in settled:
                    changes += self._above(work, changes)
            if Step.RETENTION in self.wanted.steps and TIER_OF[Step.RETENTION] in settled:
                changes += self._fading(changes)
        # What was not run is still owed.
        turn_done = self.wanted.steps >= _STEPS[Tier.TURN]
        done = frozenset(tier for tier in settled if self.wanted.steps >= _STEPS[tier])
        considered_now = (*(one.record.ref for one in fresh), *self.bare) if turn_done else ()
        return Plan(self.namespace.id, tuple(changes), considered_now, done)

    def _facts(self, fresh: Sequence[Considered]) -> dict[UUID, tuple[Fact, ...]]:
        """Read what memories and those near them state, as the enrichment kept it; each once in a run."""
        ids = {
            record.id: record
            for one in fresh
            for record in (one.record, *(near.record for near in (*one.neighbours, *one.kin)))
        }
        missing = [i for i, record in ids.items() if (i, record.content_version) not in self.facts]
        with self.tenancy.open() as session:
            found = facts_of(session, self.tenancy.tenant_id, missing)
        self.facts |= {(i, ids[i].content_version): tuple(found.get(i, ())) for i in missing}
        return {i: self.facts[i, record.content_version] for i, record in ids.items()}

    def _due(self) -> frozenset[Tier]:
        """Return the tiers whose turn it is: those that owe something now, or every one when the caller wants it all."""
        above = frozenset(Tier) - {Tier.TURN}
        if not self.wanted.due_only:
            return above
        with self.tenancy.open() as session:
            owed = consolidated.owed(session, self.tenancy.tenant_id, self.namespace.id, due_at=self.tenancy.clock())
        return frozenset(Tier(tier) for tier in owed) & above

    def _fading(self, planned: Sequence[Change]) -> Sequence[Change]:
        leaving = {*leaves_results(planned), *self.gone}
        with self.tenancy.open() as session:
            self.faded = load_faded(
                session, self.tenancy.tenant_id, self.namespace.id, leaving=leaving, surviving=stays_for_others(planned),
                now=self.tenancy.clock(),
            )  # fmt: skip
        return self.faded.changes

    def _above(self, work: Callable[[Place], list[Change]], planned: Sequence[Change]) -> list[Change]:
        with self.tenancy.open() as session:
            changes = work(self._place(session, planned))
        if self.counsel is None:
            return changes
        return self.counsel.gists(changes, lambda change: self._sources(change, [*planned, *changes]))

    def _place(self, session: Session, planned: Sequence[Change]) -> Place:
        leaving = frozenset({*leaves_results(planned), *self.gone})
        return Place(session, self.tenancy.tenant_id, self.namespace, self.tenancy.clock(), leaving, tuple(planned))

    def _sources(self, change: Put, planned: Sequence[Change]) -> list[Source]:
        """Read the memories that a gist or a profile is about."""
        with self.tenancy.open() as session:
            return sources_of(self._place(session, planned), change)

    def _open_counsel(self) -> Counsel | None:
        """Open a model's counsel where one is configured; a dry run asks nobody, since asking costs."""
        tenancy = self.tenancy
        if tenancy.chat is None or self.wanted.dry_run:
            return None
        with tenancy.open() as session:
            budget = budget_of(
                session, tenancy.tenant_id, self.job_id, job_tokens=tenancy.spending.job_tokens,
                context_tokens=tenancy.spending.context_tokens,
            )  # fmt: skip

        def account(outcome: Asked[Any]) -> None:
            with tenancy.open() as session:
                write_down(
                    session, tenancy.tenant_id, outcome, job_id=self.job_id, now=tenancy.clock(),
                    ttl=tenancy.spending.reply_ttl,
                )  # fmt: skip

        return Counsel(tenancy.chat, budget, account, lambda: self.report(self.outcome.considered, self.total, []))

    def _derived(self, plan: Plan) -> Derived | None:
        """Encode what a plan derives, before any transaction opens."""
        derive = [change for change in plan.changes if isinstance(change, Derive)]
        if not derive:
            return None
        drafts = [
            Draft(
                change.content,
                namespace=self.namespace.path,
                memory_type=MemoryType(change.memory_type),
                source_kind=SourceKind.INFERENCE,
                extract=Extract.RULES,
                deduplicate=False,
                **change.fields,
            )
            for change in derive
        ]
        with self.tenancy.open_encoding() as encoding:
            prepared = prepare(drafts, encoding=encoding, now=self.tenancy.clock())
            return Derived(encoding, {c.id: p for c, p in zip(derive, prepared, strict=True)})

    def _load(self, ids: Sequence[UUID], near: Neighbourhood | None) -> list[Considered]:
        self.bare = []
        if not ids or near is None:
            return []
        tenant_id, now = self.tenancy.tenant_id, self.tenancy.clock()
        with self.tenancy.open() as session:
            rows = considered.live_records(session, tenant_id, ids, now=now)
            loaded = load_considered(
                session,
                tenant_id,
                self.namespace.id,
                sorted(rows, key=lambda row: row["id"]),
                near,
                cache=self.cache,
                now=now,
            )
            strangers = [row for row in rows if row["id"] not in near.place]
            # Those that came while this run is at it have vectors: they are left to the next.
            vectors = vectors_of(
                session, tenant_id, [self.namespace.id], shelf=self.namespace.shelf,
                encoder_id=self.namespace.encoder_id, ids=[row["id"] for row in strangers],
            ) if strangers else {}  # fmt: skip
        self.bare = [
            Ref(row["id"], row["version"]) for row in strangers if (row["id"], row["content_version"]) not in vectors
        ]
        return [
            replace(
                one,
                neighbours=tuple(near for near in one.neighbours if near.record.id not in self.gone),
                kin=tuple(near for near in one.kin if near.record.id not in self.gone),
            )
            for one in loaded
            if one.record.id not in self.gone
        ]
