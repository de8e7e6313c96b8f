"""Namespaces by their paths."""

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    space = h.space
    return {
        "GET /v1/namespaces": [Ask("nothing", f"/v1/namespaces?prefix={space}")],
        "POST /v1/namespaces": [Ask("own", "/v1/namespaces", {"path": h.namespace})],
        "GET /v1/namespaces/{path}": [Ask("absent", f"/v1/namespaces/{space}")],
        "PATCH /v1/namespaces/{path}": [Ask("absent", f"/v1/namespaces/{space}", {"settings": {"extract": "none"}})],
    }
