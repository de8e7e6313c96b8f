"""Work on an import: line by line, a batch in one transaction with its outcomes, so that a killed worker loses nothing."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.enriching import enrich_pending, keep_findings
from consolidation.formation import RECALLED
from consolidation.planning import Tier
from consolidation.tenancy import Tenancy
from memory_service.bundle.lines import RECORDS, UNKNOWN, Refused, item_named, parse_line, read_record, record_of
from memory_service.bundle.records import MemoryRecord
from memory_service.errors import InvalidRequest, Misconfigured
from memory_service.lifecycle import imported_parts
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.import_decision import Importing, Line, OnPresent, decide_all
from memory_service.lifecycle.imported_vectors import Encoded, encode
from memory_service.lifecycle.importing import apply, look_up, outcome_json, told
from memory_service.lifecycle.redacted_lines import Holding, LineRedactor
from memory_service.lifecycle.redaction_notes import Tally
from memory_service.storage import consolidated, documents, imports, jobs
from memory_service.storage.encoders import default_encoder
from memory_service.storage.imports import LineOutcome, Waiting
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.redactions import redactions_of, redactors_in
from memory_service.types import JobStatus

AT_ONCE: Final = 100  # lines in one transaction
MOST_BYTES: Final = 8 * 2**20  # in one transaction, unless one line is longer
SHOWN: Final = 1_000  # outcomes that the job itself tells; all of them are listed apart
WORTH_A_LOOK: Final = 3  # rounds without progress after which the job is given back

_PARTS: Final[dict[str, Callable[..., list[LineOutcome]]]] = {
    "namespace": imported_parts.import_namespaces,
    "policy": imported_parts.import_policies,
    "block": imported_parts.import_blocks,
    "link": imported_parts.import_links,
    "document": imported_parts.import_documents,
    "document_text": imported_parts.import_texts,
}


@dataclass(slots=True)
class _Work:
    """One turn of one import."""

    tenancy: Tenancy
    job: Any
    wanted: Importing
    until: float
    opened: ExitStack
    done: int
    encoding: Encoding | None = None
    stopped: bool = field(default=False)  # it was cancelled, or its turn is over

    def open_encoding(self) -> Encoding:
        """Load the encoder when the first text needs it: a bundle may bring all its vectors along."""
        if self.encoding is None:
            self.encoding = self.opened.enter_context(self.tenancy.open_encoding())
        return self.encoding

    @property
    def turn_over(self) -> bool:
        """Say whether others should have the worker now."""
        return monotonic() > self.until or not self.tenancy.go_on()


def import_bundle(tenancy: Tenancy, job: Any) -> None:
    """Take in what waits of a bundle, kind by kind, since edges and texts point at memories.

    Each batch is stored together with its outcomes: whoever goes on after a crash finds exactly what is left. A job that
    takes longer than its turn is given back and goes on behind what others wait for.
    """
    with ExitStack() as opened:
        until = monotonic() + tenancy.turn_s
        with tenancy.open() as session:
            done = imports.count_done(session, tenancy.tenant_id, job["id"])
        work = _Work(tenancy, job, _wanted(tenancy, job), until, opened, done)
        for kind in (*RECORDS, UNKNOWN):
            _import_kind(work, kind)
            if work.stopped:
                return
    _finish(work)


def _wanted(tenancy: Tenancy, job: Any) -> Importing:
    payload = job["payload"]
    with tenancy.open() as session:
        encoder = default_encoder(session.connection())
    if encoder is None:
        raise Misconfigured("No encoder has made vectors yet.")
    return Importing(
        tenant_id=tenancy.tenant_id,
        job_id=job["id"],
        encoder=encoder,
        on_conflict=OnPresent(payload["on_conflict"]),
        trusted=payload["trusted"],
        same_encoder=payload["encoder"] == encoder.fingerprint,
    )


def _import_kind(work: _Work, kind: str) -> None:
    fruitless = 0
    while True:
        with work.tenancy.open() as session:
            waiting = imports.next_lines(
                session, work.tenancy.tenant_id, work.job["id"], kind, limit=AT_ONCE, max_bytes=MOST_BYTES
            )
            redacting = _redacting(session, waiting)
        if not waiting:
            return
        lines, refused = read_lines(waiting, redacting)
        done = _take_in(work, kind, lines, refused, Tally() if redacting is None else redacting.tally)
        if work.stopped:
            return
        fruitless = 0 if done else fruitless + 1
        if work.turn_over or fruitless >= WORTH_A_LOOK:
            _pause(work)
            return
        work.tenancy.give_way()


def _redacting(session: Session, waiting: Sequence[Waiting]) -> LineRedactor | None:
    """Return what takes out of lines what must not be stored by now; None where the tenant has no policy."""
    redactors = redactors_in(session)
    if not redactors:
        return None
    spaces: dict[str, Holding] = {}
    for one in waiting:
        if one.kind == "document_text" and (named := _document_of(one)) is not None:
            row = documents.get_document(session, session.info["tenant_id"], UUID(named))
            # Without its document a text is not stored.
            spaces[named] = Holding(redactors.among((row["namespace"],))) if row is not None else Holding()
    return LineRedactor(redactors, lambda named: spaces.get(named, Holding()))


def _document_of(line: Waiting) -> str | None:
    try:
        return item_named(parse_line(line.raw))
    except Refused:
        return None  # It gets its outcome when it is read.


def read_lines(
    waiting: Sequence[Waiting], redacting: LineRedactor | None = None
) -> tuple[list[Line], list[LineOutcome]]:
    """Return the records on lines, redacted, and the outcomes of those that hold none or may not be stored. Pure."""
    lines, refused = [], []
    for one in waiting:
        try:
            parsed = parse_line(one.raw)
            # Only what could be stored is looked through: its texts are such, and none is longer than it may be.
            record = record_of(parsed)
            raw = one.raw if redacting is None else redacting.redacted(one.raw, parsed)
            lines.append(Line(one.ordinal, record if raw is one.raw else read_record(raw)))
        except InvalidRequest as error:
            refused.append(LineOutcome(one.ordinal, "rejected", None, error.specific_code, told(error)))
        except Refused as error:
            detail = error.detail if redacting is None else redacting.told(error.detail)
            refused.append(LineOutcome(one.ordinal, "rejected", None, error.code, detail))
    return lines, refused


def _take_in(work: _Work, kind: str, lines: Sequence[Line], refused: Sequence[LineOutcome], replaced: Tally) -> int:
    """Store one batch with its outcomes, and note what was replaced in it; return how many lines got one."""
    tenancy, job_id = work.tenancy, work.job["id"]
    encoded: dict[int, Encoded] = {}
    if kind == "memory" and lines:
        with tenancy.open() as session:
            now = tenancy.clock()
            known = look_up(session, work.wanted, lines, now=now)
            decided = decide_all(lines, known, work.wanted, now=now)
        # No connection is held while texts are encoded.
        encoded = encode(decided, work.wanted, known.namespaces, work.open_encoding)
    created: list[MemoryRecord] = []
    with tenancy.open() as session:
        # The row stays locked: a cancel comes before all of the batch or after.
        if not jobs.report_progress(session, tenancy.tenant_id, job_id, done=work.done):
            work.stopped = True
            return 0
        # Read in a transaction of its own, some may have been erased meanwhile.
        ordinals = [line.ordinal for line in lines] + [outcome.ordinal for outcome in refused]
        here = imports.lock_waiting(session, tenancy.tenant_id, job_id, ordinals)
        lines = [line for line in lines if line.ordinal in here]
        now = tenancy.clock()
        outcomes = [outcome for outcome in refused if outcome.ordinal in here]
        if kind == "memory":
            made, created = (
                apply(session, work.wanted, lines, encoded, work.open_encoding, now=now) if lines else ([], [])
            )
            outcomes += made
            _settle(session, work, created)
        elif lines:
            outcomes += _PARTS[kind](session, work.wanted, lines, now=now)
        imports.keep_outcomes(session, tenancy.tenant_id, job_id, outcomes)
        replaced.record(session, tenancy.tenant_id, now=now, of="records")
        work.done += len(outcomes)
        jobs.report_progress(session, tenancy.tenant_id, job_id, done=work.done)
        redactions = redactions_of(session) if kind == "policy" else None
    if redactions is not None:
        # What follows in this very bundle goes by them.
        redactions.forget(tenancy.tenant_id)
    waits = [record.id for record in created if not record.enriched]
    if waits:
        enrich_pending(tenancy, ids=waits)
    return len(outcomes) + len(ordinals) - len(here)


def _settle(session: Session, work: _Work, created: Sequence[MemoryRecord]) -> None:
    """Read what came enriched again, since what texts speak of, state and name does not travel; owe the tiers their work."""
    tenant_id = work.tenancy.tenant_id
    paths = find_namespaces(session, tenant_id, {record.namespace for record in created})
    rows = [
        {
            "id": record.id,
            "namespace_id": paths[record.namespace].id,
            **{
                name: getattr(record, name)
                for name in ("content", "content_version", "observed_at", "language", "speaker", "role", "entities")
            },
        }
        for record in created
        # What repeats recalled memories says nothing of its own.
        if record.enriched and record.derivation.method != RECALLED
    ]
    if rows:
        keep_findings(session, tenant_id, rows)
    for namespace in paths.values():
        mine = [r for r in created if r.namespace == namespace.path and r.consolidated and not r.closed]
        due: dict[tuple[str, str], timedelta] = {
            (str(Tier.SESSION), r.session_id): timedelta() for r in mine if r.session_id is not None
        }
        if mine:
            due |= {(str(Tier.DAY), ""): timedelta(), (str(Tier.WEEK), ""): timedelta()}
        consolidated.owe(session, tenant_id, namespace.id, due, now=work.tenancy.clock())


def _pause(work: _Work) -> None:
    work.stopped = True
    tenancy = work.tenancy
    with tenancy.open() as session:
        goes_on = jobs.pause_job(session, tenancy.tenant_id, work.job["id"], until=tenancy.clock())
    if goes_on:
        tenancy.nudge(work.job["id"])


def _finish(work: _Work) -> None:
    """End the job with counts, and with the outcomes that somebody should look at."""
    tenancy, job_id = work.tenancy, work.job["id"]
    with tenancy.open() as session:
        counts = imports.count_outcomes(session, tenancy.tenant_id, job_id)
        notable = imports.notable_outcomes(session, tenancy.tenant_id, job_id, limit=SHOWN)
        items = [outcome_json(row) for row in notable]
        done = sum(sum(by_status.values()) for by_status in counts.values())
        jobs.report_progress(session, tenancy.tenant_id, job_id, done=done, items=items)
        jobs.finish_job(
            session,
            tenancy.tenant_id,
            job_id,
            status=JobStatus.SUCCEEDED,
            now=tenancy.clock(),
            result={"counts": counts},
        )
