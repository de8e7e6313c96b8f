"""One run over a namespace: load what is new, decide with pure steps, apply as changesets.

No connection is held while a step decides. A batch of new memories is one changeset; what the tiers above owe joins the last
batch, so that a run over few memories is a single changeset that one call reverts. In a large namespace each of their steps
is a changeset of its own: none of them waits for another, or is planned again because another was outdated.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog

from consolidation.loading import MOST_READ, asks_database, load_considered, load_neighbourhood, near_some
from consolidation.model.accounting import budget_of, write_down
from consolidation.model.asking import Outcome as Asked
from consolidation.model.counsel import Counsel
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
from consolidation.retention.step import Faded, load_faded, settle_faded
from consolidation.structure.gist import Source
from consolidation.structure.loading import Place
from consolidation.structure.steps import STEPS as TIER_STEPS
from consolidation.structure.steps import sources_of
from consolidation.tenancy import Tenancy
from consolidation.turn_steps import plan_turn
from memory_service.analysis.facts import Fact
from memory_service.errors import MemoryServiceError
from memory_service.lifecycle.apply import Derived, EvidenceLost, PlanOutdated, apply
from memory_service.lifecycle.draft import Draft, prepare
from memory_service.lifecycle.fading import SWEEP
from memory_service.storage import considered, consolidated
from memory_service.storage.facts import facts_of
from memory_service.storage.namespaces import Namespace, get_namespace
from memory_service.types import Extract, MemoryType, SourceKind
from retrieval.feed import vectors_of

BATCH: Final = 500  # memories of one changeset
TOGETHER: Final = 5_000  # live memories up to which the tiers above join the changeset of the last batch
REMEMBERED: Final = 30_000  # records that a run keeps to read them but once
ATTEMPTS: Final = 3  # for a batch whose memories are changed meanwhile
JOB_TTL: Final = timedelta(days=30)  # of jobs that erase what the operator's policy wants erased
ASK_FOR_S: Final = 400.0  # that a model may take of one run, well below the limit of a task; the next run asks on
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
    # Says between two batches whether somebody else should have the worker; the tiers above are worked through.
    turn_over: Callable[[], bool] = lambda: False

    @property
    def by_place(self) -> bool:
        """Say whether what is done is known only by how far the run is: memories are not marked, or were before."""
        return self.again or self.dry_run or not self.steps >= _STEPS[Tier.TURN]


@dataclass(slots=True)
class Outcome:
    """What a run did, or would do."""

    considered: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    changesets: list[UUID] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    failed: dict[str, str] = field(
        default_factory=dict
    )  # steps above the turn tier that could not be done, with what it was
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
            failed=dict(stored.get("failed", {})),
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
            **({"failed": self.failed} if self.failed else {}),
            **({"after": str(self.after)} if self.stopped and self.after is not None else {}),
        }


def run(
    tenancy: Tenancy,
    namespace_id: UUID,
    wanted: Wanted,
    *,
    report: Report,
    job_id: UUID | None = None,
    so_far: Outcome | None = None,
) -> Outcome:
    """Consolidate what waits in a namespace; `so_far` is what a run that was stopped had done.

    A memory with which a step cannot go on is set aside: it is marked as done, and the others have their turn. So it is with a
    step of the tiers above that cannot be done: the outcome names it, its tier still owes it, and the other steps are done.

    Raises:
        Unavailable: the database was busy or down; what was applied stays, and the next run goes on from there.
    """
    return _Run(tenancy, namespace_id, wanted, report, job_id, so_far or Outcome()).go()


@dataclass(frozen=True, slots=True)
class _Above:
    """Steps of the tiers above the turn, and the tiers that owe nothing any more when those are done."""

    steps: frozenset[Step] = frozenset()
    settled: frozenset[Tier] = frozenset()


_NOTHING: Final = _Above()


def _one_by_one(whole: _Above) -> Iterator[_Above]:
    """Give the same step by step; a tier has done what it owes after its last step."""
    steps = [step for step in Step if step in whole.steps]
    for at, step in enumerate(steps):
        tier = TIER_OF[step]
        ended = tier in whole.settled and all(TIER_OF[later] is not tier for later in steps[at + 1 :])
        yield _Above(frozenset({step}), frozenset({tier} if ended else ()))


class _Run:
    """The state of one run: what it has read and done so far."""

    def __init__(
        self,
        tenancy: Tenancy,
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
        self.live = 0
        self.near: Neighbourhood | None = None
        self.counsel = self._open_counsel()
        self.faded: Faded | None = None  # what the last plan lets fade
        self.bare: list[Ref] = []  # those of the batch that no vector leads to: nothing is near them, and they are done
        self.cache: dict[UUID, Record] = {}
        self.facts: dict[tuple[UUID, int], tuple[Fact, ...]] = {}
        self.gone: set[UUID] = set()  # merged or archived in plans that were not applied (dry run)
        with tenancy.open() as session:
            self.namespace: Namespace = get_namespace(session, tenancy.tenant_id, namespace_id)

    def go(self) -> Outcome:
        """Work batch by batch, then in the tiers above."""
        tenant_id, now = self.tenancy.tenant_id, self.tenancy.clock()
        with self.tenancy.open() as session:
            self.total = self.outcome.considered + considered.count_unconsolidated(
                session, tenant_id, self.namespace.id, again_after=self.outcome.after, again=self.wanted.again, now=now
            )
            self.live = considered.count_live(session, tenant_id, self.namespace.id, now=now, most=MOST_READ + 1)
        apart = self.live > TOGETHER and not self.wanted.dry_run
        after = self.outcome.after
        turn = bool(self.wanted.steps & _STEPS[Tier.TURN])
        while True:
            rows = self._next(after) if turn else ()
            last = len(rows) < BATCH
            ids = [row["id"] for row in rows]
            if ids or not apart:
                self._batch(ids, self._above_turn() if last and not apart else _NOTHING)
                after = ids[-1] if ids else after
                self.outcome.after = after if self.wanted.by_place else None
                # Asked at the end as well: a cancel that came meanwhile is heard.
                if not self._report() and not (last and not apart):
                    return self._stopped()
            if last:
                break
            if self.wanted.turn_over():
                return self._stopped()
        if apart:
            parts = list(_one_by_one(self._above_turn()))
            for at, above in enumerate(parts, start=1):
                self._batch((), above)
                if not self._report() and at < len(parts):
                    return self._stopped()
        return self.outcome

    def _report(self) -> bool:
        done = min(self.total, self.outcome.considered)
        return self.report(done, max(self.total, done), [])

    def _stopped(self) -> Outcome:
        self.outcome.stopped = True
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

    def _batch(self, ids: Sequence[UUID], above: "_Above") -> None:
        """Plan and apply one batch, and what the tiers above owe with it.

        One that fails is halved until the memory is found at which it does, and that is set aside. Steps above that fail are
        done one by one.
        """
        try:
            self._attempt(ids, above)
        except MemoryServiceError:
            raise  # The database or the model, not a memory.
        except Exception as error:
            if not ids:
                self._apart(above, error)
                return
            if self.set_aside >= MOST_SET_ASIDE:
                raise
            # The message of the error may quote a text.
            log.warning("batch_failed", memories=len(ids), error=type(error).__name__)
            if len(ids) == 1 and above == _NOTHING:
                self._set_aside(ids[0])
                return
            half = (len(ids) + 1) // 2
            self._batch(ids[:half], _NOTHING)
            if ids[half:]:
                self._batch(ids[half:], _NOTHING)
            if above != _NOTHING:
                self._batch((), above)

    def _apart(self, above: "_Above", error: Exception) -> None:
        """Do steps that failed together one by one, and note the one that fails by itself."""
        if len(above.steps) > 1:
            for part in _one_by_one(above):
                self._batch((), part)
            return
        for step in above.steps:
            log.error("step_failed", step=str(step), error=type(error).__name__)
            self.outcome.failed[str(step)] = type(error).__name__

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

    def _attempt(self, ids: Sequence[UUID], above: "_Above") -> None:
        """Plan and apply, anew when memories changed meanwhile."""
        near = self._near(ids)
        for attempt in range(1, ATTEMPTS + 1):
            plan = self._plan(ids, near, above)
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
            if len(self.cache) > REMEMBERED:
                self.cache.clear()
                self.facts.clear()
            self.outcome.add(plan, changeset_id, considered=len(ids), show=False)
            return
        log.warning("batch_left", memories=len(ids))  # They are being changed all the time; the next run finds them.

    def _forget(self, ids: Collection[UUID]) -> None:
        for memory_id in ids:
            self.cache.pop(memory_id, None)

    def _near(self, ids: Sequence[UUID]) -> Neighbourhood | None:
        """Return what is near some memories: the whole namespace, read once in a run, or what the database finds for these."""
        if not ids:
            return None
        open_transaction, tenant_id, now = self.tenancy.open, self.tenancy.tenant_id, self.tenancy.clock()
        if asks_database(self.namespace, live=self.live, new=self.total):
            return near_some(open_transaction, tenant_id, self.namespace, ids, now=now)
        if self.near is None:
            self.near = load_neighbourhood(open_transaction, tenant_id, self.namespace, now=now)
        return self.near

    def _plan(self, ids: Sequence[UUID], near: Neighbourhood | None, above: "_Above") -> Plan:
        """Load and decide: the steps of the turn tier over the batch, then those of the tiers above."""
        fresh = self._load(ids, near)
        changes = plan_turn(
            fresh, self._facts(fresh), steps=self.wanted.steps & _STEPS[Tier.TURN], now=self.tenancy.clock()
        )
        if self.counsel is not None:
            changes = self.counsel.turn(fresh, changes, self.wanted.steps)
        self.faded = None
        for step, work in TIER_STEPS.items():
            if step in above.steps:
                changes += self._above(work, changes)
        if Step.RETENTION in above.steps:
            changes += self._fading(changes)
        # What was not run is still owed.
        turn_done = self.wanted.steps >= _STEPS[Tier.TURN]
        considered_now = (*(one.record.ref for one in fresh), *self.bare) if turn_done else ()
        owing = {TIER_OF[Step(step)] for step in self.outcome.failed}
        return Plan(self.namespace.id, tuple(changes), considered_now, above.settled - owing)

    def _above_turn(self) -> "_Above":
        """Return all that the tiers above are to do in this run; what was not run is still owed."""
        due = self._due()
        # A large namespace is swept page by page, minute after minute: that is no reason to build everything else anew.
        sweep_only = frozenset(tier for tier, keys in due.items() if tuple(keys) == (SWEEP,))
        steps = frozenset(
            step
            for step in self.wanted.steps
            if TIER_OF[step] in due and (TIER_OF[step] not in sweep_only or step is Step.RETENTION)
        )
        whole = due.keys() - sweep_only
        return _Above(steps, frozenset(tier for tier in whole if self.wanted.steps >= _STEPS[tier]))

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

    def _due(self) -> dict[Tier, Sequence[str]]:
        """Return the tiers whose turn it is, with what they owe now; every one, owing all, when the caller wants it all."""
        above = frozenset(Tier) - {Tier.TURN}
        if not self.wanted.due_only:
            return dict.fromkeys(above, ())
        with self.tenancy.open() as session:
            owed = consolidated.owed(session, self.tenancy.tenant_id, self.namespace.id, due_at=self.tenancy.clock())
        return {Tier(tier): keys for tier, keys in owed.items() if Tier(tier) in above}

    def _fading(self, planned: Sequence[Change]) -> Sequence[Change]:
        leaving = {*leaves_results(planned), *self.gone}
        with self.tenancy.open() as session:
            self.faded = load_faded(
                session, self.tenancy.tenant_id, self.namespace.id, leaving=leaving, surviving=stays_for_others(planned),
                now=self.tenancy.clock(),
            )  # fmt: skip
        return self.faded.changes

    def _above(self, work: Callable[[Place], list[Change]], planned: Sequence[Change]) -> list[Change]:
        changes = work(self._place(planned))
        if self.counsel is None:
            return changes
        return self.counsel.gists(changes, lambda change: self._sources(change, [*planned, *changes]))

    def _place(self, planned: Sequence[Change]) -> Place:
        leaving = frozenset({*leaves_results(planned), *self.gone})
        return Place(
            self.tenancy.open, self.tenancy.tenant_id, self.namespace, self.tenancy.clock(), leaving, tuple(planned)
        )

    def _sources(self, change: Put, planned: Sequence[Change]) -> list[Source]:
        """Read the memories that a gist or a profile is about."""
        return sources_of(self._place(planned), change)

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

        until = monotonic() + ASK_FOR_S

        def go_on() -> bool:
            return self.report(self.outcome.considered, self.total, []) and monotonic() < until

        return Counsel(tenancy.chat, budget, account, go_on)

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
