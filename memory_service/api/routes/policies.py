"""Policies: what operators decide for a namespace, kept with the time during which it was in force, and tried beforehand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from consolidation.retention.policy import DEFAULT, RetentionPolicy
from consolidation.retention.policy_form import Finding, merged, to_json
from consolidation.retention.simulation import Simulation, simulate
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep
from memory_service.api.namespace_policies import Admin, IfMatch, OfNamespace, PolicyKind, Reader
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.policy_models import PoliciesOut, PolicyOut, RetentionPolicyIn, SimulationIn
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.fading import owe_sweep
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import policies
from memory_service.storage.fading import load_histories
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.policies import RETENTION
from memory_service.types import DEFAULT_NAMESPACE, Caller

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=StrictRoute)

ELSEWHERE: Final = {
    "fusion": "what namespaces say of their searches is read, put whole and deleted below /v1/policies/fusion",
    "redaction": "what must never be stored is read, put whole and deleted below /v1/policies/redaction",
}
MOST_SIMULATED: Final = 50_000  # memories; a larger namespace is tried on its oldest, and the answer says so
SHOWN: Final = 1_000  # ids in one answer
_BEGINNING: Final = datetime(1, 1, 2, tzinfo=UTC)


def _shown(body: Mapping[str, Any] | None) -> dict[str, Any]:
    # Read through the form: what a later version adds has its default here.
    return to_json(DEFAULT if body is None else merged(body)[0])


_RETENTION: Final = PolicyKind(RETENTION, _shown)


def _wrong(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.pointer, one.detail) for one in found]


def _check_kind(kind: str) -> None:
    """Refuse a kind that has no policies.

    Raises:
        InvalidRequest: it is decided elsewhere; the detail says where.
        NotFound: there is no such kind.
    """
    if kind in ELSEWHERE:
        detail = f"Policies of kind {kind} are not changed in part; {ELSEWHERE[kind]}."
        raise InvalidRequest(detail, errors=(FieldError("{kind}", detail),), code="unsupported_policy_kind")
    if kind != RETENTION:
        detail = f"There is no kind of policy {kind[:40]!r}; the kinds are {RETENTION}, fusion and redaction."
        raise NotFound(detail, code="policy_kind_not_found")


def _json(row: RowMapping) -> dict[str, Any]:
    return {
        "kind": row["kind"],
        "namespace": row["namespace"],
        "id": str(row["id"]),
        "policy": row["body"],
        "known_from": rfc3339(row["known_from"]),
        "known_to": rfc3339(row["known_to"]),
    }


@router.get("", response_model=PoliciesOut)
def list_policies(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    history: Annotated[bool, Query(description="Also those that are no longer in force.")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the policies that namespaces have of their own, the newest first; the others go by the defaults."""
    tenant_id = caller.tenant_id
    query = {"list": "policies", "namespace": namespace, "history": history}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows = (
        policies.list_policies(session, tenant_id, namespace_id=space, history=history, before=before, limit=limit + 1)
        if namespace is None or space is not None
        else ()
    )
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{kind}", response_model=PolicyOut)
def get_policy(kind: str, caller: Reader, session: SessionDep, namespace: OfNamespace = DEFAULT_NAMESPACE) -> Response:
    """Read the policy by which a namespace goes: its own, or the defaults."""
    _check_kind(kind)
    return _RETENTION.read(session, caller, namespace)


@router.put("/{kind}", response_model=PolicyOut)
def put_policy(
    kind: str,
    body: RetentionPolicyIn,
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Give a namespace a policy; what it does not say is as the defaults are."""
    return _change(services, session, caller, kind, namespace, if_match, said=body.said(), onto_present=False)


@router.patch("/{kind}", response_model=PolicyOut)
def patch_policy(
    kind: str,
    body: RetentionPolicyIn,
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Change parts of the policy of a namespace; what is not said stays as it is."""
    return _change(services, session, caller, kind, namespace, if_match, said=body.said(), onto_present=True)


@router.delete("/{kind}", status_code=204)
def delete_policy(
    kind: str,
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Go back to the defaults; the policy stays in the history."""
    _check_kind(kind)
    removed = _RETENTION.remove(services, session, caller, namespace, if_match)
    owe_sweep(session, caller.tenant_id, removed.namespace_id, DEFAULT, now=removed.now)
    return Response(status_code=204)


def _change(
    services: Services,
    session: Session,
    caller: Caller,
    kind: str,
    namespace: str,
    if_match: str | None,
    *,
    said: dict[str, Any],
    onto_present: bool,
) -> Response:
    _check_kind(kind)
    taken = _RETENTION.take(services, session, caller, namespace, if_match)
    present = taken.present
    onto = to_json(merged(present["body"])[0]) if onto_present and present is not None else None
    policy, wrong = merged(said, onto)
    _RETENTION.refuse(_wrong(wrong))
    policy_id = _RETENTION.put(services, session, caller, taken, to_json(policy))
    owe_sweep(session, caller.tenant_id, taken.namespace_id, replace(policy, id=policy_id), now=taken.now)
    return _RETENTION.answer(session, caller, namespace, taken.namespace_id)


@router.post("/simulate", response_model=dict[str, Any])
def simulate_policy(body: SimulationIn, caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """Say what a policy would have done, had it been in force: replay the recalls there were. Changes nothing."""
    policy, wrong = merged(body.policy.said())
    _RETENTION.refuse(_wrong(wrong), below="/policy")
    space = find_namespace_id(session, caller.tenant_id, body.namespace, pointer="/namespace")
    now = services.clock()
    histories = load_histories(session, caller.tenant_id, space, limit=MOST_SIMULATED) if space else iter(())
    outcome = simulate(histories, policy, start=body.from_ or _BEGINNING, now=now)
    return answer(_outcome_json(outcome, policy, body, now=now))


def _outcome_json(outcome: Simulation, policy: RetentionPolicy, body: SimulationIn, *, now: datetime) -> dict[str, Any]:
    missed = outcome.missed
    by_type: dict[str, dict[str, int]] = {}
    for one in outcome.forgotten:
        counts = by_type.setdefault(one.memory_type, {"archived": 0, "recalled_later": 0})
        counts["archived"] += 1
        counts["recalled_later"] += one.recalled_later > 0
    worst = sorted(outcome.forgotten, key=lambda one: (-one.recalled_later, one.id))
    return {
        "namespace": body.namespace,
        "from": rfc3339(body.from_),
        "to": rfc3339(now),
        "summary": (
            f"This policy would have archived {len(outcome.forgotten):,} of {outcome.considered:,} memories, "
            f"{len(missed):,} of them recalled later."
        ),
        "memories": outcome.considered,
        "complete": outcome.considered < MOST_SIMULATED,
        "archived": len(outcome.forgotten),
        "recalled_later": len(missed),
        "promoted": outcome.promoted,
        "by_type": by_type,
        "tiers": {tier: outcome.tiers[tier] for tier in ("half", "int8", "binary")},
        "vector_bytes": {
            "at_half": outcome.bytes_at_half,
            "then": outcome.bytes_then,
            "saved": outcome.bytes_at_half - outcome.bytes_then,
        },
        "policy": to_json(policy),
        "memories_archived": [
            {
                "id": str(one.id),
                "memory_type": one.memory_type,
                "archived_at": rfc3339(one.archived_at),
                "recalled_later": one.recalled_later,
            }
            for one in worst[:SHOWN]
        ],
    }
