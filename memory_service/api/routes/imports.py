"""Imports: bundles that come in as files, taken in by a job, with an outcome for every line."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.transfer_models import ImportAccepted, OutcomesOut
from memory_service.api.uploading import Upload, UploadRoute
from memory_service.bundle.framing import MAX_LINE, MEDIA_TYPE, Header, invalid_bundle, read_end, read_header
from memory_service.bundle.lines import (
    UNKNOWN,
    Refused,
    item_named,
    kind_of,
    memories_named,
    owners_named,
    parse_line,
    record_of,
)
from memory_service.bundle.records import DocumentRecord
from memory_service.errors import InvalidRequest, NotFound
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.importing import outcome_json, told
from memory_service.lifecycle.redacted_lines import Holding, LineRedactor
from memory_service.storage import documents, imports, jobs
from memory_service.storage.imports import Arriving, LineOutcome
from memory_service.storage.redactions import redactors_in
from memory_service.types import IMPORT, Action, Caller, KeyScope

IMPORTS = "/v1/imports"
MAX_OUTCOMES = 1_000
STORED_AT_ONCE = 500  # lines
STORED_BYTES = 8 * 2**20

router = APIRouter(prefix=IMPORTS, tags=["transfer"], route_class=UploadRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
Present = Literal["skip", "error", "new_version"]


@router.post(
    "",
    status_code=202,
    response_model=ImportAccepted,
    openapi_extra={
        "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
    },
)
def create_import(
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    on_conflict: Annotated[
        Present, Query(description="What happens to a memory that is there already and is not the same.")
    ] = "skip",
) -> Response:
    """Take in a bundle (NDJSON): 202 when all of it has arrived whole; a job stores it, and every line has an outcome.

    The same bundle again changes nothing. Ids, versions and provenance stay; texts are encoded here unless the bundle brings
    vectors of the same encoder.
    """
    upload: Upload = request.state.upload

    def produce() -> Response:
        job_id, records = receive(session, services, caller, upload, on_conflict=on_conflict)
        note(session, services, caller, Action.IMPORT_BEGIN, subject=("job", job_id), records=records)
        enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer(
            {"job_id": str(job_id), "records": records}, status=202, headers={"Location": f"/v1/jobs/{job_id}"}
        )

    return idempotent(request, caller, session, produce)


def receive(
    session: Session, services: Services, caller: Caller, upload: Upload, *, on_conflict: str
) -> tuple[UUID, int]:
    """Store the lines of a bundle for a job; return it and how many records there are. All of it, or nothing.

    Raises:
        InvalidRequest: it is no bundle, one of a later format, or not whole.
    """
    lines = read_lines(upload)
    first = next(lines, b"")
    header: Header = read_header(first or b"")
    job_id = jobs.create_job(
        session,
        caller.tenant_id,
        kind=IMPORT,
        payload={
            "on_conflict": on_conflict,
            "trusted": caller.may(KeyScope.ADMIN),
            "encoder": header.encoder.fingerprint if header.encoder else None,
        },
        now=services.clock(),
        ttl=timedelta(days=services.settings.job_ttl_days),
    )
    digest = hashlib.sha256(first)
    taking = _Taking(session, caller.tenant_id, job_id)
    kept: list[Arriving] = []
    size = records = 0
    last: bytes | None = None
    # The last line is the end: each is kept when the next has come.
    for raw in lines:
        if last is not None:
            digest.update(last)
            records += 1
            # Lines count from 1, and the header is the first.
            kept.append(taking.line(records + 1, last))
            size += len(last)
            if len(kept) >= STORED_AT_ONCE or size >= STORED_BYTES:
                taking.keep(kept)
                kept, size = [], 0
        last = raw
    read_end(last or b"", records=records, sha256=digest.hexdigest())
    if kept:
        taking.keep(kept)
    taking.note(now=services.clock())
    jobs.set_total(session, caller.tenant_id, job_id, records)
    return job_id, records


def read_lines(upload: Upload) -> Iterator[bytes]:
    """Yield the lines of a file, each with its end.

    Raises:
        InvalidRequest: a line is longer than any record may be.
    """
    number = 0
    while raw := upload.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE:
            raise invalid_bundle(f"Line {number} is longer than {MAX_LINE // 2**20} MiB, and so is no record.")
        yield raw


class _Taking:
    """Takes in the lines of one bundle: what their namespaces redact is redacted before it waits for its turn."""

    def __init__(self, session: Session, tenant_id: UUID, job_id: UUID) -> None:
        """Ask what holds now; it is asked again when the lines are stored."""
        self._session, self._tenant_id, self._job_id = session, tenant_id, job_id
        self._redactors = redactors_in(session)
        self._lines = LineRedactor(self._redactors, self._of_document)
        self._spaces: dict[str, str] = {}  # of the documents that have come
        self._stored: dict[str, str | None] = {}  # of those that texts name, where they are here
        self._refused: list[LineOutcome] = []

    def line(self, ordinal: int, raw: bytes) -> Arriving:
        """Return a line with what has to be known of it before its turn comes; a bad one gets its outcome then."""
        try:
            parsed = parse_line(raw)
        except Refused:
            # Nobody will read it either: with a policy not even its bytes are kept.
            return Arriving(ordinal, UNKNOWN, b"{" if self._redactors else raw)
        kind, item = kind_of(parsed), item_named(parsed)
        if self._redactors:
            raw = b"{}\n" if kind == UNKNOWN else self._redacted(ordinal, raw, parsed, item)
        return Arriving(ordinal, kind, raw, memories_named(parsed), item, owners_named(parsed))

    def _redacted(self, ordinal: int, raw: bytes, parsed: dict[str, Any], item: str | None) -> bytes:
        try:
            # Only what could be stored is looked through: its texts are such, and none is longer than it may be.
            record = record_of(parsed)
            if isinstance(record, DocumentRecord):
                self._spaces[str(record.id)] = record.namespace
            return self._lines.redacted(raw, parsed)
        except InvalidRequest as error:
            self._refused.append(LineOutcome(ordinal, "rejected", item, error.specific_code, told(error)))
        except Refused as error:
            self._refused.append(LineOutcome(ordinal, "rejected", item, error.code, self._lines.told(error.detail)))
        return b"{}\n"

    def _of_document(self, document_id: str) -> Holding:
        """Return what holds for a text: by where its document is in the bundle, where it is already, or may be."""
        if document_id not in self._stored:
            row = documents.get_document(self._session, self._tenant_id, UUID(document_id))
            self._stored[document_id] = None if row is None else row["namespace"]
        paths = {one for one in (self._spaces.get(document_id), self._stored[document_id]) if one is not None}
        if not paths:
            return Holding([one for _, one in sorted(self._redactors.by_path.items())], sure=False)
        return Holding(self._redactors.among(tuple(paths)))

    def keep(self, lines: Sequence[Arriving]) -> None:
        """Store lines, and of those that are refused that they are."""
        imports.keep_lines(self._session, self._tenant_id, self._job_id, lines)
        if self._refused:
            imports.keep_outcomes(self._session, self._tenant_id, self._job_id, self._refused)
            self._refused = []

    def note(self, *, now: datetime) -> None:
        """Write down how many values were replaced on all the lines."""
        self._lines.tally.record(self._session, self._tenant_id, now=now, of="records")


@router.get("/{job_id}/outcomes", response_model=OutcomesOut)
def list_outcomes(
    job_id: UUID,
    caller: Reader,
    session: SessionDep,
    status: Annotated[
        Literal["created", "updated", "skipped", "rejected"] | None, Query(description="Only these.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_OUTCOMES)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what became of the lines of an import so far, in their order."""
    query = {"list": "import outcomes", "job": str(job_id), "status": status}
    after = decode_cursor(cursor, of=int, tenant_id=caller.tenant_id, query=query)
    job = jobs.get_job(session, caller.tenant_id, job_id)
    if job is None or job["kind"] != IMPORT:
        raise NotFound("There is no such import in this tenant; finished ones are kept for a while only.")
    rows = imports.list_outcomes(session, caller.tenant_id, job_id, status=status, after=after, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["ordinal"],
            render=outcome_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )
