"""Redaction policies: what must never be stored in a namespace."""

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, check_scope
from memory_service.api.namespace_policies import Admin, IfMatch, OfNamespace, PolicyKind, Reader
from memory_service.api.policy_models import PolicyOut
from memory_service.api.services import Services
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.lifecycle.redaction_simulation import MOST_SIMULATED, SIMULATED_S, simulate, simulation_json
from memory_service.redaction.policy import NONE, RedactionPolicy, read_redaction
from memory_service.storage import policies
from memory_service.storage.database import commit
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.policies import REDACTION
from memory_service.storage.redactions import FRESH_S, stored_policy
from memory_service.types import DEFAULT_NAMESPACE, Caller, KeyScope

router = APIRouter(prefix="/v1/policies/redaction", tags=["policies"], route_class=StrictRoute)

_MARGIN_S: Final = 0.05  # for what lies between the commit here and its being seen


def _shown(body: Mapping[str, Any] | None) -> dict[str, Any]:
    # As it is stored, also where a part of it cannot be read: whoever mends it has to see that.
    return NONE.to_json() if body is None else dict(body)


_REDACTION: Final = PolicyKind(REDACTION, _shown)


class RuleIn(Body):
    """What is looked for, by a finder or a pattern of one's own, and what is done about it."""

    find: Annotated[
        str | None,
        Field(description="email, phone, card, iban, ip, national_id, secret or url_credentials"),
    ] = None
    pattern: Annotated[str | None, Field(description="In the syntax of RE2; needs a name.")] = None
    name: Annotated[str | None, Field(description="Stands in the place of a value; without it, the finder's.")] = None
    do: Annotated[str | None, Field(description="mask, hash or refuse")] = None
    regions: Annotated[
        list[str] | None, Field(description="Countries, for phone and national_id, in two capital letters.")
    ] = None


class RedactionPolicyIn(Body):
    """What must not be stored; without rules everything may be."""

    rules: Annotated[list[RuleIn], Field(default_factory=list)]

    def said(self) -> dict[str, Any]:
        """Return what the caller said, nothing else."""
        return self.model_dump(exclude_unset=True)


class RedactionSimulationIn(Body):
    """A policy to try on what is stored; without it, the one in force."""

    namespace: str = DEFAULT_NAMESPACE
    policy: RedactionPolicyIn | None = None


def _read(said: Mapping[str, Any], *, below: str = "") -> RedactionPolicy:
    policy, wrong = read_redaction(said)
    _REDACTION.refuse(wrong, below=below)
    return policy


@router.get("", response_model=PolicyOut)
def get_redaction_policy(caller: Reader, session: SessionDep, namespace: OfNamespace = DEFAULT_NAMESPACE) -> Response:
    """Read what must not be stored in a namespace; without rules everything may be."""
    return _REDACTION.read(session, caller, namespace)


@router.put("", response_model=PolicyOut)
def put_redaction_policy(
    body: RedactionPolicyIn,
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Say what must never be stored in a namespace: it answers when every process goes by it, a second later.

    What is stored already stays; try the policy on it with `/v1/policies/redaction/simulate`.
    """
    policy = _read(body.said())
    taken = _REDACTION.take(services, session, caller, namespace, if_match)
    services.database.redactions.check(caller.tenant_id, policy)
    _REDACTION.put(services, session, caller, taken, policy.to_json(), rules=len(policy.rules))
    response = _REDACTION.answer(session, caller, namespace, taken.namespace_id)
    commit(session)
    _everywhere(services, caller)
    return response


@router.delete("", status_code=204)
def delete_redaction_policy(
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
    namespace: OfNamespace = DEFAULT_NAMESPACE,
    if_match: IfMatch = None,
) -> Response:
    """Let everything be stored again, as soon as it answers; what was redacted stays so, and the policy stays in the history."""
    _REDACTION.remove(services, session, caller, namespace, if_match)
    commit(session)
    _everywhere(services, caller)
    return Response(status_code=204)


def _everywhere(services: Services, caller: Caller) -> None:
    """Wait until every process goes by what was committed."""
    services.database.redactions.forget(caller.tenant_id)
    # Whatever looked before the commit looks again by then: who has the answer can rely on it.
    time.sleep(FRESH_S + _MARGIN_S)


@router.post("/simulate", response_model=dict[str, Any])
def simulate_redaction_policy(
    body: RedactionSimulationIn, caller: Reader, services: ServicesDep, session: SessionDep
) -> Response:
    """Say what a policy finds in what is stored, earlier versions included: counts and ids, nothing of the values.

    The one in force may be tried by whoever reads; one of one's own needs the scope `admin`, as it could be asked word by word what
    memories hold.
    """
    if body.policy is not None:
        check_scope(caller, KeyScope.ADMIN)
    space = find_namespace_id(session, caller.tenant_id, body.namespace, pointer="/namespace")
    if body.policy is not None:
        policy = _read(body.policy.said(), below="/policy")
    else:
        row = policies.in_force(session, caller.tenant_id, space, REDACTION) if space else None
        policy = NONE if row is None else stored_policy(body.namespace, row["body"])
    outcome = simulate(session, caller.tenant_id, space, policy, limit=MOST_SIMULATED, within_s=SIMULATED_S)
    return answer(simulation_json(outcome, policy, namespace=body.namespace))
