"""Policies, and the weights that are learned from saved queries."""

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace, lists
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    space = h.space
    return {
        "POST /v1/saved-queries": [
            Ask("absent", "/v1/saved-queries", {"query": "q", "relevant": [h.memory_id], "namespace": h.namespace}),
            Ask(
                "refused",
                "/v1/saved-queries",
                {"query": "q", "relevant": [h.memory_id], "namespace": asker.namespace},
                422,
            ),
        ],
        "GET /v1/saved-queries/{query_id}": [Ask("absent", f"/v1/saved-queries/{h.saved_query_id}")],
        "DELETE /v1/saved-queries/{query_id}": [Ask("absent", f"/v1/saved-queries/{h.saved_query_id}")],
        **{
            f"POST /v1/fusion-weights/{verb}": [Ask("absent", f"/v1/fusion-weights/{verb}", {"namespace": h.namespace})]
            for verb in ("learn", "revert")
        },
        "GET /v1/policies": in_namespace(h, "/v1/policies"),
        **{
            f"{method} /v1/policies/{{kind}}": [Ask("absent", f"/v1/policies/retention?namespace={space}", body)]
            for method, body in (("GET", None), ("PUT", {}), ("PATCH", {}), ("DELETE", None))
        },
        **{
            f"{method} /v1/policies/fusion": [Ask("absent", f"/v1/policies/fusion?namespace={space}", body)]
            for method, body in (("GET", None), ("PUT", {}), ("DELETE", None))
        },
        **{
            f"{method} /v1/policies/redaction": [Ask("absent", f"/v1/policies/redaction?namespace={space}", body)]
            for method, body in (("GET", None), ("PUT", {}), ("DELETE", None))
        },
        "POST /v1/policies/redaction/simulate": [
            Ask("absent", "/v1/policies/redaction/simulate", {"namespace": h.namespace})
        ],
        "POST /v1/policies/simulate": [Ask("absent", "/v1/policies/simulate", {"namespace": h.namespace})],
        **lists(h, "saved-queries", "fusion-weights"),
    }
