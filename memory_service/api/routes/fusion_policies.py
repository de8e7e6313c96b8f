"""Fusion policies: how a namespace is searched where a search does not say."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep
from memory_service.api.policy_models import PolicyOut
from memory_service.api.routes.policies import Admin, IfMatch, OfNamespace, Reader, match
from memory_service.api.search_models import Weight, few_channels
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import policies
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import check_path, ensure_namespaces, find_namespace_id
from memory_service.storage.policies import FUSION
from memory_service.types import DEFAULT_NAMESPACE, Action
from retrieval.fusion_policy import NONE, read_fusion

router = APIRouter(prefix="/v1/policies/fusion", tags=["policies"], route_class=StrictRoute)

_DEFAULT_TAG: Final = "default"


class FusionPolicyIn(Body):
    """What a search of the namespace goes by unless it says otherwise itself; what is absent is as always."""

    preset: Literal["fast", "balanced", "thorough"] | None = None
    channels: Annotated[
        dict[str, Weight] | None, BeforeValidator(few_channels), Field(description="As of a search.")
    ] = None


def _shown(session: Session, tenant_id: UUID, namespace: str, namespace_id: UUID | None) -> Response:
    row = policies.in_force(session, tenant_id, namespace_id, FUSION) if namespace_id else None
    policy = NONE if row is None else read_fusion(row["body"])[0]
    body: dict[str, Any] = {
        "kind": FUSION,
        "namespace": namespace,
        "id": None if row is None else str(row["id"]),
        "policy": policy.to_json(),
        "known_from": None if row is None else rfc3339(row["known_from"]),
        "known_to": None,
    }
    return answer(body, headers={"ETag": f'"{body["id"] or _DEFAULT_TAG}"'})


@router.get("", response_model=PolicyOut)
def get_fusion_policy(caller: Reader, session: SessionDep, namespace: OfNamespace = DEFAULT_NAMESPACE) -> Response:
    """Read how a namespace is searched where a search does not say; null: as everywhere."""
    space = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    return _shown(session, caller.tenant_id, namespace, space)


@router.put("", response_model=PolicyOut)
def put_fusion_policy(
    body: FusionPolicyIn,
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Say how a namespace is searched: searches of it alone that name no preset, or no channels, go by this one's."""
    policy, wrong = read_fusion(body.model_dump(exclude_unset=True))
    if wrong:
        raise InvalidRequest(
            "The fusion policy cannot be as it is stated.",
            errors=tuple(FieldError(pointer, detail) for pointer, detail in wrong),
            code="invalid_policy",
        )
    now, tenant_id = services.clock(), caller.tenant_id
    path = check_path(namespace, pointer="?namespace")
    space = find_namespace_id(session, tenant_id, path, pointer="?namespace")
    if space is None:
        # `default` before its first write.
        space = ensure_namespaces(session, tenant_id, [path], now=now)[path].id
    policies.lock(session, tenant_id, space)
    match(if_match, policies.in_force(session, tenant_id, space, FUSION))
    policy_id = new_id()
    policies.put(session, tenant_id, space, FUSION, policy_id, policy.to_json(), now=now)
    note(
        session, services, caller, Action.POLICY_CHANGE, subject=("policy", policy_id), namespace_id=space, kind=FUSION
    )
    return _shown(session, tenant_id, namespace, space)


@router.delete("", status_code=204)
def delete_fusion_policy(
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Have a namespace searched as everywhere again; the policy stays in the history."""
    space = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    if space is not None:
        policies.lock(session, caller.tenant_id, space)
    present = policies.in_force(session, caller.tenant_id, space, FUSION) if space else None
    match(if_match, present)
    if present is None or space is None:
        raise NotFound(f"The namespace {namespace!r} has no {FUSION} policy of its own.", code="policy_not_found")
    policies.put(session, caller.tenant_id, space, FUSION, present["id"], None, now=services.clock())
    note(
        session, services, caller, Action.POLICY_DELETE, subject=("policy", present["id"]), namespace_id=space,
        kind=FUSION,
    )  # fmt: skip
    return Response(status_code=204)
