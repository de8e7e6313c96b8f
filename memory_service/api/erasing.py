"""Erasures as every route begins them: a job, a receipt, and where to look for both."""

from datetime import timedelta
from uuid import UUID

from fastapi import Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.services import Services
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.erasures import Begun, begin
from memory_service.lifecycle.selection import Selection
from memory_service.types import Action, Caller


def begin_erasure(
    session: Session, services: Services, caller: Caller, selection: Selection, *, namespace_id: UUID | None = None
) -> Begun:
    """Queue an erasure and tell the workers after the commit."""
    ttl = timedelta(days=services.settings.job_ttl_days)
    begun = begin(session, caller.tenant_id, selection, api_key_id=caller.key_id, ttl=ttl, namespace_id=namespace_id)
    note(
        session, services, caller, Action.ERASURE_BEGIN, subject=("erasure", begun.erasure_id),
        namespace_id=namespace_id or selection.namespace_id, selected_by=selection.by,
    )  # fmt: skip
    enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(begun.job_id))
    return begun


def begun_answer(begun: Begun) -> Response:
    """Return 202 with where to look for the job."""
    return answer(begun.to_json(), status=202, headers={"Location": f"/v1/jobs/{begun.job_id}"})
