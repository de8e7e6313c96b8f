"""Keys, sessions of the admin view, and tenants."""

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    return {
        # A session and a link name nobody; tests/integration/admin attacks them.
        "POST /admin/session": [Ask("refused", "/admin/session", {"token": "msl_" + h.secret}, 401)],
        "GET /admin/session": [Ask("refused", "/admin/session", None, 401)],
        "DELETE /admin/session": [Ask("refused", "/admin/session", None, 401)],
        "POST /admin/links": [Ask("own", "/admin/links", {})],
        "POST /v1/api-keys": [Ask("own", "/v1/api-keys", {"name": asker.secret, "scopes": ["memories:read"]})],
        "GET /v1/api-keys": [Ask("own", "/v1/api-keys")],
        "GET /v1/api-keys/{key_id}": [Ask("absent", f"/v1/api-keys/{h.key_id}")],
        "DELETE /v1/api-keys/{key_id}": [Ask("absent", f"/v1/api-keys/{h.key_id}")],
        "POST /v1/api-keys/{key_id}/rotate": [Ask("absent", f"/v1/api-keys/{h.key_id}/rotate")],
        "POST /v1/tenants": [Ask("refused", "/v1/tenants", {"name": f"tenant {h.tenant_id}"}, 403)],
        "GET /v1/tenants": [Ask("refused", "/v1/tenants", None, 403)],
        "GET /v1/tenants/{tenant_id}": [Ask("refused", f"/v1/tenants/{h.tenant_id}", None, 403)],
        "DELETE /v1/tenants/{tenant_id}": [
            Ask("refused", f"/v1/tenants/{h.tenant_id}?{query}", None, 403) for query in ("name=x", "dry_run=true")
        ],
    }
