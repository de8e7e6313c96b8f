"""Add: turns of a mem0 client as memories, all in one transaction, and the event that says what became of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.compat.mem0.bodies import AddIn
from memory_service.api.compat.mem0.shapes import event_item
from memory_service.api.fields import MAX_BATCH_BYTES
from memory_service.api.idempotency import idempotent_after
from memory_service.api.services import Services
from memory_service.api.writing import encoding_of
from memory_service.errors import NotFound, TooLarge
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.draft import Outcome, Prepared, prepare, settled
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.remember import remember
from memory_service.storage import jobs, memories
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.redactions import redactors_in
from memory_service.types import Caller, JobStatus

STORED = "Stored, and found by searches from now on."


def add(
    request: Request, body: AddIn, namespace: str, caller: Caller, services: Services, session: Session
) -> Response:
    """Remember the turns of a body; a text of the same scope that is there already is not stored twice.

    Raises:
        Conflict: every turn was erased here before (code `text_erased`).
    """
    items = body.memories(namespace)
    if sum(len(item.content.encode()) for item in items) > MAX_BATCH_BYTES:
        raise TooLarge("The messages add up to more than 2 MiB; send fewer per call.")
    now = services.clock()
    encoding = encoding_of(services, caller)

    def encode() -> Sequence[Prepared]:
        return prepare([item.draft() for item in items], encoding=encoding, now=now)

    def produce(prepared: Sequence[Prepared]) -> Response:
        # As they are stored, so are they answered: a policy may have come since they were prepared.
        held = settled(prepared, redactors_in(session), encoding=encoding, now=now)
        outcomes = remember(session, caller.tenant_id, held, encoding=encoding, now=now) if held else []
        problems = [outcome.problem for outcome in outcomes if outcome.problem is not None]
        if problems and len(problems) == len(outcomes):
            raise problems[0]
        fresh = [str(outcome.memory_id) for outcome in outcomes if outcome.status == "created"]
        found = find_namespaces(session, caller.tenant_id, [namespace]).get(namespace)
        event_id = jobs.create_job(
            session,
            caller.tenant_id,
            kind="enrich",
            namespace_id=found.id if found else None,
            # Ids only: an erased text must not stay here.
            payload={"memory_ids": fresh, "events": [_event(outcome) for outcome in outcomes]},
            total=len(fresh),
            status=JobStatus.QUEUED if fresh else JobStatus.SUCCEEDED,
            now=now,
            ttl=timedelta(days=services.settings.job_ttl_days),
        )
        if fresh:
            enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(event_id))
        results = [_result(item, outcome) for item, outcome in zip(held, outcomes, strict=True)]
        document = {"message": STORED, "event_id": str(event_id), "status": "SUCCEEDED", "results": results}
        return answer(document)

    return idempotent_after(request, caller, session, encode, produce)


def _event(outcome: Outcome) -> dict[str, Any]:
    """Return what became of one turn in mem0's words: ADD, or NONE where nothing was stored."""
    if outcome.problem is not None:
        return {"id": None, "event": "NONE", "reason": outcome.problem.specific_code}
    return {"id": str(outcome.memory_id), "event": "ADD" if outcome.status == "created" else "NONE"}


def _result(item: Prepared, outcome: Outcome) -> dict[str, Any]:
    # Of an erased text nothing is said: an answer may be kept for replay, and erasure finds it there by the id beside a text.
    text = item.draft.content if outcome.problem is None else None
    shown = {"memory": text, "actor_id": item.speaker, "role": item.role}
    # As it is shown, and as older clients look for it.
    return _event(outcome) | shown | {"data": {"memory": text}}


def read_event(session: Session, caller: Caller, event_id: UUID, namespace: str) -> dict[str, Any]:
    """Return what an add has stored.

    Raises:
        NotFound: there is no such add in this namespace, or it is too long ago.
    """
    row = jobs.get_job(session, caller.tenant_id, event_id)
    payload = jobs.get_payload(session, caller.tenant_id, event_id)
    if row is None or payload is None or row["kind"] != "enrich" or row["namespace"] not in {namespace, None}:
        raise NotFound("There is no such event in this namespace; events are kept for a while only.")
    events = payload.get("events", [{"id": i, "event": "ADD"} for i in payload["memory_ids"]])
    return event_item(dict(row), _with_texts(session, caller, events), time_of=rfc3339)


def _with_texts(session: Session, caller: Caller, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events with the texts as they are now; none for what is gone since."""
    ids = [UUID(event["id"]) for event in events if event["id"] is not None]
    records = memories.get_records(session, caller.tenant_id, ids)
    results = []
    for event in events:
        record = records.get(UUID(event["id"])) if event["id"] is not None else None
        text = record["content"] if record is not None and record["state"] != "archived" else None
        results.append(event | {"memory": text, "data": {"memory": text}})
    return results
