"""What is said of a tenant as a whole: audit, timeline, usage, health."""

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    return {
        "GET /v1/audit": [Ask("nothing", f"/v1/audit?actor={h.key_id}"), Ask("own", "/v1/audit")],
        "GET /v1/timeline": [
            *in_namespace(h, "/v1/timeline"),
            Ask("own", "/v1/timeline"),
            Ask("own", "/v1/timeline?axis=known"),
        ],
        "GET /v1/timeline/plane": [*in_namespace(h, "/v1/timeline/plane"), Ask("own", "/v1/timeline/plane")],
        "GET /v1/health-report": [*in_namespace(h, "/v1/health-report"), Ask("own", "/v1/health-report")],
        "GET /v1/usage": [*in_namespace(h, "/v1/usage"), Ask("own", "/v1/usage")],
        "GET /v1/audit/verify": [Ask("own", "/v1/audit/verify")],
        "GET /healthz": [Ask("own", "/healthz")],
        "GET /readyz": [Ask("own", "/readyz")],
        "GET /metrics": [Ask("own", "/metrics")],
    }
