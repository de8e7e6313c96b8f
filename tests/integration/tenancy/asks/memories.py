"""Memories, their changes and views, and the turns of conversations."""

from typing import Any

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace, lists
from tests.integration.tenancy.household import Household

MEMORY = "/v1/memories/{memory_id}"


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    space = h.space
    every = h.scopes

    def each(path: str, body: Any = None) -> list[Ask]:
        return [Ask("absent", path.format(memory_id=i), body) for i in ids]

    return {
        "GET /v1/memories": [
            *in_namespace(h, "/v1/memories"),
            *(Ask("nothing", f"/v1/memories?{name}={value}") for scope in every for name, value in scope.items()),
            Ask("nothing", f"/v1/memories?run_id={h.session_id}"),
            Ask("nothing", f"/v1/memories?tags={h.secret}"),
        ],
        "POST /v1/memories/query": [
            Ask("absent", "/v1/memories/query", {"namespace": h.namespace}),
            *(Ask("nothing", "/v1/memories/query", {"filter": scope}) for scope in every),
            Ask("nothing", "/v1/memories/query", {"filter": {"id": {"in": list(ids)}}}),
            Ask("nothing", "/v1/memories/query", {"filter": {"namespace": {"contains": h.namespace}}}),
            Ask("nothing", "/v1/memories/query", {"filter": {"content": {"icontains": h.secret}}}),
        ],
        "POST /v1/memories": [
            Ask(
                "own",
                "/v1/memories",
                {"content": f"{asker.secret} copy", "external_id": h.external_id, "namespace": n, "on_conflict": c},
            )
            for n, c in (("default", "error"), (h.namespace, "supersede"))
        ],
        "POST /v1/memories/batch": [
            Ask(
                "own",
                "/v1/memories/batch",
                {"items": [{"content": f"{asker.secret} batch", "external_id": h.external_id}]},
            ),
        ],
        "POST /v1/messages": [
            Ask("own", "/v1/messages", {"session_id": h.session_id, "messages": [{"content": f"{asker.secret} turn"}]}),
        ],
        **{
            f"POST /v1/memories/{change}": [
                Ask("absent", f"/v1/memories/{change}", {"ids": list(ids), "namespace": h.namespace}),
                Ask("nothing", f"/v1/memories/{change}", {"ids": list(ids)}),
                Ask("nothing", f"/v1/memories/{change}", {"ids": list(ids), "dry_run": True}),
                Ask("nothing", f"/v1/memories/{change}", {"filter": {"user_id": h.user_id}}),
                Ask("nothing", f"/v1/memories/{change}", {"filter": {"namespace": h.namespace}}),
            ]
            for change in ("archive", "restore")
        },
        f"GET {MEMORY}": each(MEMORY) + each(MEMORY + "?as_of=2100-01-01T00:00:00Z"),
        f"PATCH {MEMORY}": each(MEMORY, {"content": "defaced"}) + each(MEMORY, {"pinned": True}),
        f"DELETE {MEMORY}": each(MEMORY) + each(MEMORY + "?erase=true"),
        f"POST {MEMORY}/supersede": each(MEMORY + "/supersede", {"content": "a usurper"}),
        **{
            f"POST {MEMORY}/{verb}": each(f"{MEMORY}/{verb}")
            for verb in ("archive", "restore", "pin", "unpin", "reinstate")
        },
        **{
            f"GET {MEMORY}/{view}": each(f"{MEMORY}/{view}")
            for view in ("versions", "provenance", "links", "retention", "recalls", "facts")
        },
        f"GET {MEMORY}/diff": each(MEMORY + "/diff?from=1&to=2"),
        "GET /v1/sessions/{session_id}/messages": [
            Ask("nothing", f"/v1/sessions/{h.session_id}/messages"),
            Ask("absent", f"/v1/sessions/{h.session_id}/messages?namespace={space}"),
        ],
        **lists(h, "users", "agents", "sessions"),
    }
