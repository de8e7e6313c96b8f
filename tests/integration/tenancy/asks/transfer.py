"""Exports and imports."""

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    every = h.scopes
    return {
        "POST /v1/exports": [
            Ask("absent", "/v1/exports", {"namespace": h.namespace}),
            Ask("absent", "/v1/exports", {"namespaces": ["default", h.namespace]}),
            Ask("absent", "/v1/exports", {"namespace_prefix": h.namespace.split("/")[0]}),
            *(Ask("nothing", "/v1/exports", {"filter": scope}) for scope in every),
            Ask("nothing", "/v1/exports", {"filter": {"id": {"in": list(ids)}}}),
            Ask("nothing", "/v1/exports", {"filter": {"content": {"icontains": h.secret}}}),
        ],
        # A bundle is a file; what one of another tenant's ids may do stands in tests/integration/transfer.
        "POST /v1/imports": [Ask("refused", "/v1/imports", {}, 415)],
        "GET /v1/imports/{job_id}/outcomes": [
            Ask("absent", f"/v1/imports/{i}/outcomes") for i in (h.import_job_id, h.queued_job_id)
        ],
    }
