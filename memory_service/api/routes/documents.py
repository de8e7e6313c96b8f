"""Documents: longer texts and files, cut into memories that say where in the document they stand."""

import time
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from memory_service.analysis.documents import MAX_CHARACTERS, Kind, Unreadable, decode, kind_of
from memory_service.analysis.documents.extracted import shows_nothing
from memory_service.api.answer_models import MemoryList
from memory_service.api.answers import answer
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, check_scope, require
from memory_service.api.document_models import DocumentAccepted, DocumentIn, DocumentList, DocumentRead
from memory_service.api.erasing import begin_erasure, begun_answer
from memory_service.api.erasure_models import BegunOut
from memory_service.api.idempotency import idempotent_after, was_replayed
from memory_service.api.listing import MAX_LIST_LIMIT, list_page
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.api.waiting import POLL_S, wait_until_consolidated
from memory_service.errors import FieldError, InvalidRequest, NotFound, TooLarge, Unavailable
from memory_service.filters import parse_filter
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.documents import Received, archive_document, receive
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.redacted_documents import Taken, taken
from memory_service.lifecycle.selection import Selection
from memory_service.storage import documents, jobs
from memory_service.storage.database import commit, run_after_commit
from memory_service.storage.list_orders import ListOrder
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.sql import Row, Sql
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


def document_json(row: Row) -> dict[str, Any]:
    """Return one document as the contract shows it, without its text."""
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "external_id": row["external_id"],
        "user_id": row["user_id"],
        "agent_id": row["agent_id"],
        "session_id": row["session_id"],
        "title": row["title"],
        "mime_type": row["mime_type"],
        "metadata": row["metadata"],
        "version": row["version"],
        "characters": row["characters"],
        "chunks": row["chunks"],
        "observed_at": rfc3339(row["observed_at"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "archived_at": rfc3339(row["archived_at"]),
    }


def checked_file(body: DocumentIn) -> tuple[bytes, Kind]:
    """Return the file of a request and its kind, having looked at as much of it as takes no time.

    Raises:
        InvalidRequest: it is empty, not what it says it is, or no text where it should be.
        TooLarge: it holds more text than one document may.
    """
    field = "content" if body.file is None else "file"
    file = body.file if body.file is not None else (body.content or "").encode()
    try:
        kind = kind_of(file, body.mime_type)
        if kind is Kind.PDF:
            if body.content is not None:
                raise Unreadable("A PDF is bytes: send it as `file`, in base64.", code="mime_type_mismatch")
            return file, kind
        text = body.content if body.content is not None else decode(file, kind, body.mime_type)
    except Unreadable as error:
        named = "mime_type" if error.code == "unsupported_mime_type" else field
        raise InvalidRequest(error.detail, errors=(FieldError(f"/{named}", error.detail),), code=error.code) from error
    if shows_nothing(text):
        raise InvalidRequest("The document is empty.", errors=(FieldError(f"/{field}", "is blank"),), code="no_text")
    if kind is not Kind.HTML and len(text) > MAX_CHARACTERS:
        raise TooLarge(
            f"The document holds more than {MAX_CHARACTERS:,} characters; post it in parts, a chapter each.",
            code="document_too_large",
        )
    return file, kind


def _taken(services: Services, caller: Caller, given: Taken) -> Taken:
    """Return what may be kept of a posted file, read here where that has to be known now; no connection is held meanwhile.

    Raises:
        InvalidRequest: a redaction policy refuses something in it, or it has to be read now and cannot be.
    """
    try:
        return taken(given, services.database.redactions.of(caller.tenant_id).by_path.get(given.posted.namespace))
    except Unreadable as error:
        raise InvalidRequest(error.detail, errors=(FieldError("/file", error.detail),), code=error.code) from error


@router.post("", status_code=202, response_model=DocumentAccepted)
def create_document(
    body: DocumentIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Take in a text or a file (text, Markdown, HTML, PDF); a job reads it, and its chunks are memories.

    The same text again changes nothing. Another text under the same external_id supersedes the chunks that changed and
    archives those that are gone.
    """
    file, kind = checked_file(body)
    now = services.clock()
    received: list[Received] = []

    def read() -> Taken:
        return _taken(services, caller, Taken(body.posted(), file, kind))

    def produce(given: Taken) -> Response:
        made = receive(
            session,
            caller.tenant_id,
            given,
            now=now,
            job_ttl=timedelta(days=services.settings.job_ttl_days),
        )
        received.append(made)
        if not made.unchanged:
            enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(made.job_id))
        return answer(
            {"job_id": str(made.job_id), "document_id": str(made.document_id), "unchanged": made.unchanged},
            status=202,
            headers={"Location": f"/v1/jobs/{made.job_id}"},
        )

    response = idempotent_after(request, caller, session, read, produce)
    if body.wait == "consolidated" and received and not was_replayed(response):
        _wait(services, session, caller, received[0], timeout_s=body.timeout_s)
    return response


def _wait(services: Services, session: Session, caller: Caller, made: Received, *, timeout_s: float) -> None:
    """Wait until the job has ended and its memories are enriched, for a bounded time."""
    commit(session)
    run_after_commit(session)
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        try:
            with services.database.transaction(caller.tenant_id) as glance:
                job = jobs.get_job(glance, caller.tenant_id, made.job_id)
                ended = job is None or job["status"] in jobs.ENDED
                ids = documents.memories_of(glance, caller.tenant_id, made.document_id) if ended else []
        except Unavailable:
            return
        if ended:
            wait_until_consolidated(services, session, caller, ids, timeout_s=left)
            return
        time.sleep(POLL_S)


@router.get("", response_model=DocumentList)
def list_documents(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only documents of this namespace.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the documents that are not archived, newest first."""
    query = {"list": "documents", "namespace": namespace}
    position = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    namespace_id, rows = None, []
    if namespace is not None:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    if namespace is None or namespace_id is not None:
        rows = list(
            documents.list_documents(
                session, caller.tenant_id, namespace_id=namespace_id, before=position, limit=limit + 1
            )
        )
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=document_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


def _get(session: Session, tenant_id: UUID, document_id: UUID) -> Row:
    row = documents.get_document(session, tenant_id, document_id)
    if row is None:
        raise NotFound(f"There is no document {document_id}.", code="document_not_found")
    return row


@router.get("/{document_id}", response_model=DocumentRead)
def get_document(
    document_id: UUID,
    caller: Reader,
    session: SessionDep,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The text of an earlier version.")] = None,
) -> Response:
    """Read one document with its text, into which the spans of its memories point."""
    row = _get(session, caller.tenant_id, document_id)
    wanted = row["version"] if version is None else version
    content = documents.get_text(session, caller.tenant_id, document_id, wanted)
    if content is None:
        raise NotFound(f"Document {document_id} has no version {wanted}.", code="document_not_found")
    chunks = [
        {"memory_id": str(chunk["memory_id"]), "span": [chunk["span_from"], chunk["span_to"]]}
        for chunk in documents.chunks_of(session, caller.tenant_id, document_id, wanted)
    ]
    return answer({**document_json(row), "text_version": wanted, "content": content, "spans": chunks})


@router.get("/{document_id}/memories", response_model=MemoryList)
def list_document_memories(
    document_id: UUID,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=MAX_LIST_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the live memories that a document was cut into, in the order in which they were stored."""
    _get(session, caller.tenant_id, document_id)
    return answer(
        list_page(
            session,
            caller,
            selection=parse_filter({}),
            asked={"document": str(document_id)},
            namespace=None,
            limit=limit,
            cursor=cursor,
            now=services.clock(),
            order=ListOrder.OLDEST,
            within=Sql(
                "m.id IN (SELECT c.memory_id FROM document_chunk c WHERE c.tenant_id = :tenant "
                "AND c.document_id = :of_document)",
                {"of_document": document_id},
            ),
        )
    )


@router.delete("/{document_id}", status_code=204, response_class=Response, responses={202: {"model": BegunOut}})
def delete_document(
    document_id: UUID,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    erase: Annotated[bool, Query(description="Remove it for good; needs the scope memories:erase.")] = False,
) -> Response:
    """Archive a document with its memories (needs memories:write), or erase both for good (needs memories:erase)."""
    now = services.clock()
    check_scope(caller, KeyScope.ERASE if erase else KeyScope.WRITE)
    row = _get(session, caller.tenant_id, document_id)
    ids = documents.memories_of(session, caller.tenant_id, document_id)
    if row["archived_at"] is None:
        archive_document(session, caller.tenant_id, row, now=now)
    if not erase:
        return Response(status_code=204)
    selection = Selection(before=now, ids=tuple(ids))
    return begun_answer(begin_erasure(session, services, caller, selection, namespace_id=row["namespace_id"]))
