"""Replies of a language model that could not be used, with the job that asked for them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from memory_service.api.answers import answer
from memory_service.api.dependencies import SessionDep, require
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import jobs, model_records
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]


class DeadLetterOut(BaseModel):
    """A reply as the model gave it, what is wrong about it, and the memories that the model was shown."""

    id: UUID
    task: str
    model: str
    reply: str
    error: str
    memory_ids: list[UUID]
    created_at: datetime
    expires_at: datetime


class DeadLettersOut(BaseModel):
    """A page of dead letters, in the order they came."""

    data: list[DeadLetterOut]
    next_cursor: str | None
    has_more: bool


def _letter_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "task": row["task"],
        "model": row["model"],
        "reply": row["reply"],
        "error": row["error"],
        "memory_ids": [str(memory_id) for memory_id in row["memory_ids"]],
        "created_at": rfc3339(row["created_at"]),
        "expires_at": rfc3339(row["expires_at"]),
    }


@router.get("/{job_id}/dead-letters", response_model=DeadLettersOut)
def list_dead_letters(
    job_id: UUID,
    caller: Reader,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the replies of a language model that a job could not use, in the order they came."""
    query = {"list": "dead_letters", "job": str(job_id)}
    position = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    if jobs.get_job(session, caller.tenant_id, job_id) is None:
        raise NotFound("There is no such job in this tenant; finished jobs are kept for a while only.")
    rows = model_records.dead_letters_of_job(session, caller.tenant_id, job_id, after=position, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=_letter_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )
