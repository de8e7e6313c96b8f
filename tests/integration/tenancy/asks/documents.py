"""Documents and the memories cut from them."""

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    return {
        "POST /v1/documents": [
            Ask("own", "/v1/documents", {"content": f"{asker.secret} paper", "external_id": f"{h.external_id}-paper"}),
        ],
        "GET /v1/documents": in_namespace(h, "/v1/documents"),
        "GET /v1/documents/{document_id}": [Ask("absent", f"/v1/documents/{h.document_id}")],
        "GET /v1/documents/{document_id}/memories": [Ask("absent", f"/v1/documents/{h.document_id}/memories")],
        "DELETE /v1/documents/{document_id}": [
            Ask("absent", f"/v1/documents/{h.document_id}"),
            Ask("absent", f"/v1/documents/{h.document_id}?erase=true"),
        ],
    }
