"""The paths of mem0's platform about users, agents, apps and runs, and about the project they belong to."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from memory_service.api.answers import answer
from memory_service.api.compat.mem0 import finding
from memory_service.api.compat.mem0.filters import FIELDS, Raw, joined
from memory_service.api.compat.mem0.forgetting import check_may_forget, forget_matching
from memory_service.api.compat.mem0.parameters import is_ignored
from memory_service.api.compat.mem0.platform import Owner, PageNumber, PageSize, Reader
from memory_service.api.compat.mem0.routing import PREFIX, MemZeroRoute, NamespaceDep
from memory_service.api.compat.mem0.scope import MISSING, owned_by, written_ids
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep
from memory_service.api.listing import MAX_LIST_LIMIT
from memory_service.api.problems import invalid_request
from memory_service.api.strict_json import takes_parameters
from memory_service.errors import FieldError, NotFound

router = APIRouter(prefix=PREFIX, tags=["mem0"], route_class=MemZeroRoute)

Name = Annotated[str, Path(min_length=1, max_length=256)]


@router.delete("/v1/memories/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_delete_all(
    caller: AnyCaller,
    services: ServicesDep,
    namespace: NamespaceDep,
    user_id: Owner = None,
    agent_id: Owner = None,
    app_id: Owner = None,
    run_id: Owner = None,
    filters: Annotated[str | None, Query(description="The same ids as an object.")] = None,
) -> Response:
    """Delete every memory of a user, agent, app or run; `*` stands for any."""
    check_may_forget(services, caller)
    ids = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
    selection = joined([owned_by(ids), owned_by(written_ids(filters))])
    if not selection:
        raise invalid_request([FieldError("?user_id", MISSING)])
    deleted = forget_matching(services, caller, namespace, selection)
    return answer({"message": "Memories deleted successfully!", "deleted": deleted})


@router.get("/v1/entities/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_entities(
    request: Request,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
    page: PageNumber = 1,
    page_size: PageSize = MAX_LIST_LIMIT,
) -> Response:
    """List users, agents, apps and runs with the number of their memories."""
    return finding.list_entities(request, session, caller, services, namespace, page=page, page_size=page_size)


@router.delete("/v2/entities/{entity_type}/{entity_id:path}/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_delete_entity(
    entity_type: Literal["user", "agent", "app", "run"],
    entity_id: Name,
    caller: AnyCaller,
    services: ServicesDep,
    namespace: NamespaceDep,
) -> Response:
    """Delete every memory of one user, agent, app or run."""
    check_may_forget(services, caller)
    # Named, not chosen by a filter: here a star is a star.
    selection: Raw = {FIELDS[f"{entity_type}_id"]: {"eq": entity_id}}
    deleted = forget_matching(services, caller, namespace, selection)
    if not deleted:
        raise NotFound(f"No memory belongs to this {entity_type}.", code="entity_not_found")
    return answer({"message": "Entity deleted successfully!", "deleted": deleted})


@router.get("/v2/entities/user/{entity_id:path}/profile/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_profile(
    entity_id: Name, caller: Reader, services: ServicesDep, session: SessionDep, namespace: NamespaceDep
) -> Response:
    """Read what consolidation made out about a user."""
    return answer(finding.read_profile(session, caller, services, namespace, entity_id))


@router.get("/api/v1/orgs/organizations/{org_id}/projects/{project_id:path}/", response_model=dict[str, Any])
@takes_parameters(lambda name: is_ignored(name) or name == "fields")
def compat_project(org_id: Name, project_id: Name, caller: Reader, namespace: NamespaceDep) -> Response:
    """Read the namespace as mem0's project; nothing of it can be set here."""
    if org_id != str(caller.tenant_id) or project_id != namespace:
        raise NotFound("There is no such project behind this address and key.")
    return answer(
        {
            "id": namespace,
            "name": namespace,
            "org_id": org_id,
            "custom_instructions": None,
            "agent_custom_instructions": None,
            "custom_categories": [],
            "multilingual": True,
            "decay": True,
        }
    )
