"""Webhooks and their deliveries."""

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    space = h.space
    hook = f"/v1/webhooks/{h.webhook_id}"
    deliveries = (
        f"{hook}/deliveries/{h.delivery_id}",
        f"/v1/webhooks/{asker.webhook_id}/deliveries/{h.delivery_id}",
        f"{hook}/deliveries/{asker.delivery_id}",
    )
    return {
        # A namespace of the same path is the asker's own.
        "POST /v1/webhooks": [
            Ask("own", "/v1/webhooks", {"url": f"https://{asker.secret}.example/", "namespace": h.namespace})
        ],
        "GET /v1/webhooks": [Ask("absent", f"/v1/webhooks?namespace={space}")],
        "GET /v1/webhooks/{webhook_id}": [Ask("absent", hook)],
        "PATCH /v1/webhooks/{webhook_id}": [
            Ask("absent", hook, {"active": False}),
            Ask("absent", hook, {"url": f"https://{asker.secret}.example/"}),
        ],
        "DELETE /v1/webhooks/{webhook_id}": [Ask("absent", hook)],
        "POST /v1/webhooks/{webhook_id}/rotate": [Ask("absent", f"{hook}/rotate", {})],
        "POST /v1/webhooks/{webhook_id}/ping": [Ask("absent", f"{hook}/ping", {})],
        "GET /v1/webhooks/{webhook_id}/deliveries": [Ask("absent", f"{hook}/deliveries")],
        "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}": [Ask("absent", one) for one in deliveries],
        "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry": [
            Ask("absent", f"{one}/retry", {}) for one in deliveries
        ],
    }
