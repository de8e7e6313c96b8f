"""Fusion policies: how a namespace is searched where a search does not say."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BeforeValidator, Field

from memory_service.api.dependencies import ServicesDep, SessionDep
from memory_service.api.namespace_policies import Admin, IfMatch, OfNamespace, PolicyKind, Reader
from memory_service.api.policy_models import PolicyOut
from memory_service.api.search_models import Weight, few_channels
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.storage.policies import FUSION
from memory_service.types import DEFAULT_NAMESPACE
from retrieval.fusion_policy import NONE, read_fusion

router = APIRouter(prefix="/v1/policies/fusion", tags=["policies"], route_class=StrictRoute)


def _shown(body: Mapping[str, Any] | None) -> dict[str, Any]:
    return (NONE if body is None else read_fusion(body)[0]).to_json()


_FUSION: Final = PolicyKind(FUSION, _shown)


class FusionPolicyIn(Body):
    """What a search of the namespace goes by unless it says otherwise itself; what is absent is as always."""

    preset: Literal["fast", "balanced", "thorough"] | None = None
    channels: Annotated[
        dict[str, Weight] | None, BeforeValidator(few_channels), Field(description="As of a search.")
    ] = None


@router.get("", response_model=PolicyOut)
def get_fusion_policy(caller: Reader, session: SessionDep, namespace: OfNamespace = DEFAULT_NAMESPACE) -> Response:
    """Read how a namespace is searched where a search does not say; null: as everywhere."""
    return _FUSION.read(session, caller, namespace)


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
    _FUSION.refuse(wrong)
    taken = _FUSION.take(services, session, caller, namespace, if_match)
    _FUSION.put(services, session, caller, taken, policy.to_json())
    return _FUSION.answer(session, caller, namespace, taken.namespace_id)


@router.delete("", status_code=204)
def delete_fusion_policy(
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Have a namespace searched as everywhere again; the policy stays in the history."""
    _FUSION.remove(services, session, caller, namespace, if_match)
    return Response(status_code=204)
