"""Calls of mem0 that this service answers with a reason: each would mean something else here, or nothing."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response

from memory_service.api.compat.mem0.routing import PREFIX, MemZeroRoute
from memory_service.api.dependencies import AnyCaller
from memory_service.api.strict_json import takes_parameters
from memory_service.errors import InvalidRequest

# Not in the OpenAPI document: nobody should build on what only says no.
router = APIRouter(prefix=PREFIX, tags=["mem0"], route_class=MemZeroRoute, include_in_schema=False)

_PROJECTS: Final = "/api/v1/orgs/organizations/{org_id}/projects"
_WEBHOOKS: Final = "/api/v1/webhooks"

_EXPORT: Final = (
    "A structured export is not offered: it has a language model fill in a schema. GET /v1/memories lists the memories "
    "themselves."
)
_PROFILE: Final = "Consolidation builds profiles, without settings of mem0's; POST /v1/consolidations runs it now."
_PROJECT: Final = (
    "Projects are namespaces here, made by the first write to them; see PATCH /v1/namespaces/{path} for their settings "
    "and /v1/api-keys for who may do what."
)
_WEBHOOK: Final = "mem0's webhooks are not offered; see the HTTP reference for those of this service."
_CONFIGURE: Final = (
    "This service is configured by its operator through environment variables, not over HTTP; encoder, store and "
    "language model stay as they are."
)

REFUSALS: Final[tuple[tuple[str, str, str], ...]] = (
    ("POST", "/v1/exports/", _EXPORT),
    ("POST", "/v1/exports/get/", _EXPORT),
    ("POST", "/v1/summary/", _EXPORT),
    ("POST", "/v2/profiles/jobs/", _PROFILE),
    ("GET", "/v2/profiles/jobs/{job_id}/", _PROFILE),
    ("GET", "/v2/profiles/settings/", _PROFILE),
    ("POST", "/v2/profiles/settings/", _PROFILE),
    ("POST", f"{_PROJECTS}/", _PROJECT),
    ("PATCH", f"{_PROJECTS}/{{project_id:path}}/", _PROJECT),
    ("DELETE", f"{_PROJECTS}/{{project_id:path}}/", _PROJECT),
    *((method, f"{_PROJECTS}/{{project_id:path}}/members/", _PROJECT) for method in ("GET", "POST", "PUT", "DELETE")),
    ("GET", f"{_WEBHOOKS}/projects/{{project_id:path}}/", _WEBHOOK),
    ("POST", f"{_WEBHOOKS}/projects/{{project_id:path}}/", _WEBHOOK),
    ("PUT", f"{_WEBHOOKS}/{{webhook_id}}/", _WEBHOOK),
    ("DELETE", f"{_WEBHOOKS}/{{webhook_id}}/", _WEBHOOK),
    ("GET", "/configure", _CONFIGURE),
    ("POST", "/configure", _CONFIGURE),
)


def _refusing(reason: str) -> Callable[..., Response]:
    def refuse(caller: AnyCaller, body: Annotated[Any, Body()] = None) -> Response:
        raise InvalidRequest(reason, code="not_offered")

    return takes_parameters(lambda name: True)(refuse)


for _method, _path, _reason in REFUSALS:
    router.add_api_route(_path, _refusing(_reason), methods=[_method], response_class=Response)
