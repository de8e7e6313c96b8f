"""Erasures: of memories, of whoever said them, and the record of both."""

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    space = h.space
    every = h.scopes
    return {
        "POST /v1/erasures": [
            Ask("absent", "/v1/erasures", {"ids": list(ids), "namespace": h.namespace}),
            Ask("absent", "/v1/erasures", {"filter": {}, "namespace": h.namespace, "dry_run": True}),
            Ask("nothing", "/v1/erasures", {"ids": list(ids), "dry_run": True}),
            Ask("nothing", "/v1/erasures", {"filter": {"user_id": h.user_id}, "dry_run": True}),
            Ask("nothing", "/v1/erasures", {"filter": {"namespace": h.namespace}, "dry_run": True}),
            *(Ask("nothing", "/v1/erasures", {**scope, "dry_run": True}) for scope in every[:3]),
            Ask("own", "/v1/erasures", {"ids": list(ids)}),
            *(Ask("own", "/v1/erasures", scope) for scope in every[:3]),
        ],
        **{
            f"DELETE /v1/{kind}/{{{column}}}": [
                Ask("absent", f"/v1/{kind}/{getattr(h, column)}"),
                Ask("absent", f"/v1/{kind}/{getattr(h, column)}?erase=true"),
                Ask("absent", f"/v1/{kind}/{getattr(asker, column)}?namespace={space}"),
            ]
            for kind, column in (("users", "user_id"), ("agents", "agent_id"), ("sessions", "session_id"))
        },
        "GET /v1/erasures": in_namespace(h, "/v1/erasures"),
        **{
            f"GET /v1/erasures/{{erasure_id}}{view}": [Ask("absent", f"/v1/erasures/{h.erasure_id}{view}")]
            for view in ("", "/items")
        },
    }
