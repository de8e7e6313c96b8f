"""The calls of mem0's clients, in the default namespace and in that of the other tenant."""

from typing import Any

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    space = h.space
    places = ("/compat/mem0", f"/compat/mem0/ns/{space}")
    scopes = {"user_id": h.user_id, "agent_id": h.agent_id, "run_id": h.session_id}
    filters: list[dict[str, Any]] = [
        *({name: value} for name, value in scopes.items()),
        {"user_id": "*"},
        {"NOT": {"user_id": "nobody"}, "memory_ids": list(ids)},
    ]

    def each(path: str, body: Any = None) -> list[Ask]:
        return [Ask("absent", place + path.format(memory_id=i), body) for place in places for i in ids]

    def selecting(path: str, **body: Any) -> list[Ask]:
        # The asker has memories of its own in the default namespace, which a star selects.
        return [
            Ask("nothing", place + path, {"filters": f, **body})
            for place in places
            for f in filters
            if place != "/compat/mem0" or f != {"user_id": "*"}
        ]

    def scoped(path: str) -> list[Ask]:
        return [Ask("nothing", f"{place}{path}?{n}={v}") for place in places for n, v in scopes.items()]

    def batch(**change: str) -> list[Ask]:
        return [
            Ask("absent", f"{p}/v1/batch/", {"memories": [{"memory_id": i, **change}]}) for p in places for i in ids
        ]

    own = {"messages": f"{h.user_id} is a name that anybody may use.", "run_id": h.session_id}
    project = f"/api/v1/orgs/organizations/{h.tenant_id}/projects/default/"
    asks = {
        "GET /v1/ping/": [Ask("own", f"{place}/v1/ping/") for place in places],
        "POST /v3/memories/add/": [Ask("own", f"{places[0]}/v3/memories/add/", own)],
        "POST /memories": [Ask("own", f"{places[0]}/memories", own)],
        "GET /v1/event/{event_id}/": [Ask("absent", f"{place}/v1/event/{h.queued_job_id}/") for place in places],
        "POST /v3/memories/": selecting("/v3/memories/"),
        "POST /v3/memories/search/": selecting("/v3/memories/search/", query=h.secret),
        "POST /search": selecting("/search", query=h.secret),
        "GET /memories": scoped("/memories"),
        "DELETE /memories": scoped("/memories"),
        "DELETE /v1/memories/": scoped("/v1/memories/"),
        "GET /v1/entities/": [Ask("nothing", f"{places[1]}/v1/entities/")],
        "DELETE /v2/entities/{entity_type}/{entity_id}/": [
            Ask("absent", f"{place}/v2/entities/{kind}/{name}/")
            for place in places
            for kind, name in (("user", h.user_id), ("agent", h.agent_id), ("run", h.session_id))
        ],
        "GET /v2/entities/user/{entity_id}/profile/": [
            Ask("absent", f"{place}/v2/entities/user/{h.user_id}/profile/") for place in places
        ],
        "GET /api/v1/orgs/organizations/{org_id}/projects/{project_id}/": [
            Ask("absent", place + project) for place in places
        ],
        "POST /v1/feedback/": [
            Ask("absent", f"{place}/v1/feedback/", {"memory_id": i, "feedback": "NEGATIVE"})
            for place in places
            for i in ids
        ],
        "PUT /v1/batch/": batch(text="defaced"),
        "DELETE /v1/batch/": batch(),
        "POST /reset": [
            Ask("nothing", f"{places[1]}/reset?confirm={space}"),
            Ask("refused", "/compat/mem0/reset", None, 422),
        ],
    }
    for path in ("/v1/memories/{memory_id}/", "/memories/{memory_id}"):
        asks[f"GET {path}"] = each(path)
        asks[f"PUT {path}"] = each(path, {"text": "defaced"})
        asks[f"DELETE {path}"] = each(path)
    for path in ("/v1/memories/{memory_id}/history/", "/memories/{memory_id}/history"):
        asks[f"GET {path}"] = each(path)
    return {name.replace(" ", " /compat/mem0", 1): ask for name, ask in asks.items()}
