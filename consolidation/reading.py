"""Read a posted document: text out of its file, chunks out of its text, memories out of its chunks."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import structlog

from consolidation.tenancy import Tenancy
from memory_service.analysis.documents import Kind, Unreadable, cut, read
from memory_service.errors import Conflict, InvalidRequest, Unavailable
from memory_service.lifecycle.documents import Outdated, Plan, Stored, load_present, plan, store
from memory_service.lifecycle.draft import Encoding, Prepared, prepare
from memory_service.lifecycle.posted_documents import posted_of
from memory_service.lifecycle.redacted_documents import redacted_text
from memory_service.storage import documents, jobs
from memory_service.storage.namespaces import get_namespace
from memory_service.storage.redactions import redactors_in
from memory_service.types import JobStatus

ENCODED_AT_ONCE: Final = 64  # chunks between two reports of progress
PLANS: Final = 3  # another job may change the document while this one encodes
MAX_READS: Final = 4  # a file on which workers die again and again is given up

log = structlog.get_logger(__name__)


class _Cancelled(Exception):
    """The job was cancelled meanwhile."""


def read_document(tenancy: Tenancy, job: Any) -> Sequence[UUID]:
    """Work on a job that reads a document; return the new memories.

    No connection is held while the file is read and its chunks are encoded. All of the document is stored in one
    transaction, together with the end of the job; a file that cannot be read fails it and leaves nothing.

    Raises:
        Unavailable: the document changes faster than it can be read.
    """
    with tenancy.open() as session:
        upload = documents.get_upload(session, tenancy.tenant_id, job["id"])
    if upload is None:
        _fail(tenancy, job["id"], "The file is no longer there; post the document again.")
        return ()
    if job["attempts"] > MAX_READS:
        _fail(tenancy, job["id"], f"Given up after {MAX_READS} attempts; post the document in parts.")
        return ()
    try:
        stored = _read(tenancy, job["id"], upload)
    except (Unreadable, Conflict, InvalidRequest) as error:
        code = error.code if isinstance(error, Unreadable) else error.specific_code
        _fail(tenancy, job["id"], f"{code}: {error.detail}")
        return ()
    except _Cancelled:
        return ()
    return stored.memory_ids


def _read(tenancy: Tenancy, job_id: UUID, upload: Any) -> Stored:
    request = dict(upload["request"])
    kind = Kind(request.pop("kind"))
    hides = bool(request.pop("hides_instructions", False))
    posted = posted_of(request)
    file = bytes(upload["file"])
    found = read(file, kind, posted.mime_type)
    with tenancy.open() as session:
        redactor = redactors_in(session).by_id.get(upload["namespace_id"])
    found = redacted_text(replace(found, hides_instructions=found.hides_instructions or hides), redactor)
    chunks = cut(found)
    with ExitStack() as opened:
        encoding: Encoding | None = None
        for _ in range(PLANS):
            with tenancy.open() as session:
                namespace = get_namespace(session, tenancy.tenant_id, upload["namespace_id"])
                present = load_present(session, tenancy.tenant_id, namespace.id, posted, found)
            planned = plan(posted, found, chunks, present, document_id=upload["document_id"])
            prepared: list[Prepared] = []
            if planned.new and not planned.unchanged:
                encoding = encoding or opened.enter_context(tenancy.open_encoding())
                prepared = _encode(tenancy, job_id, planned, encoding)
            try:
                with tenancy.open() as session:
                    # Asked in the transaction that stores: a cancel comes before all of it or after.
                    if not jobs.report_progress(session, tenancy.tenant_id, job_id, done=len(prepared)):
                        raise _Cancelled
                    now = tenancy.clock()
                    stored = store(
                        session,
                        tenancy.tenant_id,
                        planned,
                        prepared,
                        namespace,
                        job_id=job_id,
                        file_hash=hashlib.sha256(file).digest(),
                        kind=kind,
                        encoding=encoding,
                        now=now,
                    )
                    documents.drop_upload(session, tenancy.tenant_id, job_id)
                    items = [stored.to_json()]
                    jobs.report_progress(session, tenancy.tenant_id, job_id, done=len(prepared), items=items)
                    jobs.finish_job(session, tenancy.tenant_id, job_id, status=JobStatus.SUCCEEDED, now=now)
                return stored
            except Outdated:
                continue
    raise Unavailable("Other versions of this document are being stored.", code="busy", retry_after_s=2)


def _encode(tenancy: Tenancy, job_id: UUID, planned: Plan, encoding: Encoding) -> list[Prepared]:
    """Encode the new chunks, a few at a time, and say how far it is.

    Raises:
        _Cancelled: the job was cancelled meanwhile.
    """
    now = tenancy.clock()
    drafts = planned.drafts()
    prepared: list[Prepared] = []
    for start in range(0, len(drafts), ENCODED_AT_ONCE):
        prepared += prepare(drafts[start : start + ENCODED_AT_ONCE], encoding=encoding, now=now)
        with tenancy.open() as session:
            going_on = jobs.report_progress(session, tenancy.tenant_id, job_id, done=len(prepared), total=len(drafts))
        if not going_on:
            raise _Cancelled
    return prepared


def _fail(tenancy: Tenancy, job_id: UUID, reason: str) -> None:
    """End the job with a reason that people can act on, and let the file go."""
    log.info("document_not_read", job_id=str(job_id), reason=reason.split(":", 1)[0])
    with tenancy.open() as session:
        documents.drop_upload(session, tenancy.tenant_id, job_id)
        jobs.finish_job(session, tenancy.tenant_id, job_id, status=JobStatus.FAILED, now=tenancy.clock(), error=reason)
