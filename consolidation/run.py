"""One run over a namespace: load what is new, decide with pure steps, apply as changesets.

No connection is held while a step decides. A batch of new memories is one changeset; what the tiers above owe joins the last
batch, so that a run over few memories is a single changeset that one call reverts. In a large namespace each of their steps
is a changeset of its own: none of them waits for another, or is planned again because another was outdated.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog

from consolidation.above import NOTHING, Above, one_by_one
from consolidation.batches import Batches
from consolidation.loading import MOST_READ
from consolidation.model.accounting import budget_of, write_down
from consolidation.model.asking import Outcome as Asked
from consolidation.model.counsel import Counsel
from consolidation.neighbourhood import Neighbourhood
from consolidation.outcome import Outcome
from consolidation.planning import TIER_OF, Change, Derive, Plan, Put, Step, Tier, leaves_results, stays_for_others
from consolidation.records import Ref
from consolidation.retention.step import Faded, load_faded, settle_faded
from consolidation.structure.gist import Source
from consolidation.structure.loading import Place
from consolidation.structure.steps import STEPS as TIER_STEPS
from consolidation.structure.steps import sources_of
from consolidation.tenancy import Tenancy
from consolidation.turn_steps import plan_turn
from consolidation.wanted import STEPS_OF, Report, Wanted
from memory_service.errors import MemoryServiceError
from memory_service.lifecycle.applied_plan import Derived, PlanOutdated
from memory_service.lifecycle.apply import EvidenceLost, apply
from memory_service.lifecycle.draft import Draft, prepare
from memory_service.lifecycle.fading import SWEEP
from memory_service.storage import considered, consolidated
from memory_service.storage.namespaces import Namespace, get_namespace
from memory_service.types import Extract, MemoryType, SourceKind

BATCH: Final = 500  # memories of one changeset
TOGETHER: Final = 5_000  # live memories up to which the tiers above join the changeset of the last batch
ATTEMPTS: Final = 3  # for a batch whose memories are changed meanwhile
JOB_TTL: Final = timedelta(days=30)  # of jobs that erase what the operator's policy wants erased
ASK_FOR_S: Final = 400.0  # that a model may take of one run, well below the limit of a task; the next run asks on
MOST_SET_ASIDE: Final = 20  # memories that cannot be consolidated; with more of them something else is wrong

log = structlog.get_logger(__name__)


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
        self.counsel = self._open_counsel()
        self.faded: Faded | None = None  # what the last plan lets fade
        self.owing: set[Tier] = set()  # tiers with steps that were left to the next run
        self.items: list[dict[str, str]] = []  # outcomes worth a look that were not reported yet
        with tenancy.open() as session:
            self.namespace: Namespace = get_namespace(session, tenancy.tenant_id, namespace_id)
            now = tenancy.clock()
            self.total = so_far.considered + considered.count_unconsolidated(
                session, tenancy.tenant_id, namespace_id, again_after=so_far.after, again=wanted.again, now=now
            )
            self.live = considered.count_live(session, tenancy.tenant_id, namespace_id, now=now, most=MOST_READ + 1)
        self.batches = Batches(tenancy, self.namespace, live=self.live, total=self.total)

    def go(self) -> Outcome:
        """Work batch by batch, then in the tiers above."""
        apart = self.live > TOGETHER and not self.wanted.dry_run
        after = self.outcome.after
        turn = bool(self.wanted.steps & STEPS_OF[Tier.TURN])
        while True:
            rows = self._next(after) if turn else ()
            last = len(rows) < BATCH
            ids = [row["id"] for row in rows]
            if ids or not apart:
                self._batch(ids, self._above_turn() if last and not apart else NOTHING)
                after = ids[-1] if ids else after
                self.outcome.after = after if self.wanted.by_place else None
                # Asked at the end as well: a cancel that came meanwhile is heard.
                if not self._report() and not (last and not apart):
                    return self._stopped()
            if last:
                break
            if self.wanted.turn_over():
                return self._stopped()
            self.tenancy.give_way()
        if apart:
            parts = list(one_by_one(self._above_turn()))
            for at, above in enumerate(parts, start=1):
                self.tenancy.give_way()
                self._batch((), above)
                if not self._report() and at < len(parts):
                    return self._stopped()
        return self.outcome

    def _report(self) -> bool:
        done = min(self.total, self.outcome.considered)
        items, self.items = self.items, []
        return self.report(done, max(self.total, done), items)

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

    def _batch(self, ids: Sequence[UUID], above: Above) -> None:
        """Plan and apply one batch, and what the tiers above owe with it.

        One that fails is halved until the memory is found at which it does, and that is set aside; so is one whose memories
        are changed faster than it is planned, and the memory that is, is left to the next run. Steps above that fail are done
        one by one.
        """
        try:
            self._attempt(ids, above)
        except MemoryServiceError:
            raise  # The database or the model, not a memory.
        except Exception as error:
            if not ids:
                self._apart(above, error)
                return
            outdated = isinstance(error, PlanOutdated)
            if not outdated and self.set_aside >= MOST_SET_ASIDE:
                raise
            # The message of the error may quote a text.
            log.warning("batch_failed", memories=len(ids), error=type(error).__name__)
            if len(ids) == 1 and above == NOTHING:
                (self._leave if outdated else self._set_aside)(ids[0])
                return
            half = (len(ids) + 1) // 2
            self._batch(ids[:half], NOTHING)
            if ids[half:]:
                self._batch(ids[half:], NOTHING)
            if above != NOTHING:
                self._batch((), above)

    def _apart(self, above: Above, error: Exception) -> None:
        """Do steps that failed together one by one, and note the one that fails by itself."""
        if len(above.steps) > 1:
            for part in one_by_one(above):
                self._batch((), part)
            return
        for step in above.steps:
            if isinstance(
                error, PlanOutdated
            ):  # Nothing is wrong with it: what it is about is being changed all the time.
                log.warning("step_left", step=str(step))
                self.owing.add(TIER_OF[step])
                continue
            log.error("step_failed", step=str(step), error=type(error).__name__)
            self.outcome.failed[str(step)] = type(error).__name__

    def _leave(self, memory_id: UUID) -> None:
        """Note a memory that is being changed all the time; it still waits, and the next run finds it."""
        log.warning("memory_left", memory_id=str(memory_id))
        self.outcome.left += 1
        self.items.append({"memory_id": str(memory_id), "status": "left"})

    def _set_aside(self, memory_id: UUID) -> None:
        """Mark a memory as done without a finding."""
        self.set_aside += 1
        log.error("memory_set_aside", memory_id=str(memory_id))
        self.items.append({"memory_id": str(memory_id), "status": "set_aside"})
        self.outcome.considered += 1
        if self.wanted.dry_run:
            return
        tenant_id, now = self.tenancy.tenant_id, self.tenancy.clock()
        with self.tenancy.open() as session:
            rows = considered.live_records(session, tenant_id, [memory_id], now=now)
            seen = tuple(Ref(row["id"], row["version"]) for row in rows)
            apply(session, tenant_id, Plan(self.namespace.id, considered=seen), now=now, job_id=self.job_id)

    def _attempt(self, ids: Sequence[UUID], above: Above) -> None:
        """Plan and apply, anew when memories changed meanwhile.

        Raises:
            PlanOutdated: each time some had changed.
        """
        near = self.batches.near(ids)
        for attempt in range(1, ATTEMPTS + 1):
            plan = self._plan(ids, near, above)
            if self.wanted.dry_run:
                self.batches.leave(plan.changes)
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
                self.batches.forget(outdated.memory_ids)
                log.info("plan_outdated", memories=len(outdated.memory_ids), attempt=attempt)
                if attempt == ATTEMPTS:
                    raise
                continue
            except EvidenceLost as lost:
                log.error("evidence_would_be_lost", memories=len(lost.memory_ids))
                raise
            self.batches.forget(plan.reads())
            self.batches.bound()
            self.outcome.add(plan, changeset_id, considered=len(ids), show=False)
            return

    def _plan(self, ids: Sequence[UUID], near: Neighbourhood | None, above: Above) -> Plan:
        """Load and decide: the steps of the turn tier over the batch, then those of the tiers above."""
        batch = self.batches.read(ids, near)
        changes = plan_turn(
            batch.fresh, batch.facts, steps=self.wanted.steps & STEPS_OF[Tier.TURN], now=self.tenancy.clock()
        )
        if self.counsel is not None:
            changes = self.counsel.turn(batch.fresh, changes, self.wanted.steps)
        self.faded = None
        for step, work in TIER_STEPS.items():
            if step in above.steps:
                changes += self._above(work, changes)
        if Step.RETENTION in above.steps:
            changes += self._fading(changes)
        # What was not run is still owed.
        turn_done = self.wanted.steps >= STEPS_OF[Tier.TURN]
        considered_now = (*(one.record.ref for one in batch.fresh), *batch.bare) if turn_done else ()
        owing = self.owing | {TIER_OF[Step(step)] for step in self.outcome.failed}
        return Plan(self.namespace.id, tuple(changes), considered_now, above.settled - owing)

    def _above_turn(self) -> Above:
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
        return Above(steps, frozenset(tier for tier in whole if self.wanted.steps >= STEPS_OF[tier]))

    def _due(self) -> dict[Tier, Sequence[str]]:
        """Return the tiers whose turn it is, with what they owe now; every one, owing all, when the caller wants it all."""
        above = frozenset(Tier) - {Tier.TURN}
        if not self.wanted.due_only:
            return dict.fromkeys(above, ())
        with self.tenancy.open() as session:
            owed = consolidated.owed(session, self.tenancy.tenant_id, self.namespace.id, due_at=self.tenancy.clock())
        return {Tier(tier): keys for tier, keys in owed.items() if Tier(tier) in above}

    def _fading(self, planned: Sequence[Change]) -> Sequence[Change]:
        leaving = {*leaves_results(planned), *self.batches.gone}
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
        leaving = frozenset({*leaves_results(planned), *self.batches.gone})
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
            tenancy.give_way()
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
                by_caller=False,
                **change.fields,
            )
            for change in derive
        ]
        with self.tenancy.open_encoding() as encoding:
            prepared = prepare(drafts, encoding=encoding, now=self.tenancy.clock())
            return Derived(encoding, {c.id: p for c, p in zip(derive, prepared, strict=True)})
