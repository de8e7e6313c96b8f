"""Searches, contexts, the chat proxy and the traces of them."""

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    every = h.scopes
    search = {"query": h.secret}

    def elsewhere(path: str) -> list[Ask]:
        return [
            *(Ask("absent", path, {**search, "namespace": n}) for n in (h.namespace,)),
            Ask("absent", path, {**search, "namespaces": ["default", h.namespace]}),
            Ask("absent", path, {**search, "namespace_prefix": h.namespace.split("/")[0]}),
            *(Ask("nothing", path, {**search, **scope}) for scope in every[:3]),
            Ask("nothing", path, {**search, "filter": {"id": {"in": list(ids)}}}),
            Ask("nothing", path, {**search, "filter": {"namespace": h.namespace}, "include": ["archived"]}),
            Ask(
                "nothing",
                path,
                {**search, "filter": {"NOT": {"namespace": "default"}}, "neighbours": 3, "explain": True},
            ),
        ]

    return {
        "POST /v1/search": elsewhere("/v1/search"),
        "POST /v1/context": [
            *elsewhere("/v1/context"),
            Ask(
                "nothing",
                "/v1/context",
                {**search, "user_id": h.user_id, "agent_id": h.agent_id, "include_blocks": True},
            ),
            Ask("absent", "/v1/context", {**search, "namespace": h.namespace, "include_blocks": [h.label]}),
        ],
        # No model is configured here; tests/integration/chat attacks the proxy with one behind it.
        "POST /openai/v1/chat/completions": [
            Ask(
                "refused",
                "/openai/v1/chat/completions",
                {
                    "messages": [{"role": "user", "content": search["query"]}],
                    "memory": {"namespace": h.namespace, "user_id": h.user_id},
                },
                404,
            )
        ],
        "GET /openai/v1/models": [Ask("refused", "/openai/v1/models", None, 404)],
        "GET /v1/traces/{search_id}": [Ask("absent", f"/v1/traces/{h.search_id}")],
        "POST /v1/traces/{search_id}/feedback": [
            Ask("absent", f"/v1/traces/{h.search_id}/feedback", {"memory_id": h.memory_id, "useful": True}),
            Ask("refused", f"/v1/traces/{asker.search_id}/feedback", {"memory_id": h.memory_id, "useful": False}, 422),
        ],
        "DELETE /v1/traces/{search_id}/feedback/{memory_id}": [
            Ask("absent", f"/v1/traces/{h.search_id}/feedback/{asker.memory_id}"),
            *(
                Ask("absent", f"/v1/traces/{search_id}/feedback/{i}")
                for search_id in (h.search_id, asker.search_id)
                for i in ids
            ),
        ],
        "POST /v1/traces/{search_id}/why-not": [
            Ask("absent", f"/v1/traces/{h.search_id}/why-not", {"memory_id": asker.memory_id}),
            *(Ask("absent", f"/v1/traces/{asker.search_id}/why-not", {"memory_id": i}) for i in ids),
        ],
    }
