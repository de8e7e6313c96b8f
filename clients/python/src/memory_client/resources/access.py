"""Keys and tenants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id, Time
    from memory_client.models import ApiKey, Departure, NewApiKey, NewTenant, Tenant
    from memory_client.operation import Reading, Writing


class ApiKeys(Resource[E]):
    """Calls about keys; they need the scope ``admin``."""

    @call("POST", "/v1/api-keys")
    def create(
        self, name: str, scopes: Sequence[str], *, expires_at: Time | None = None, **options: Unpack[Writing]
    ) -> Ask[NewApiKey]:
        """Make a key; its secret is shown this once."""
        return Ask(models.NewApiKey, body=stated({"name": name, "scopes": scopes, "expires_at": expires_at}))

    @listing("GET", "/v1/api-keys")
    def list(self, *, limit: int | None = None, cursor: str | None = None, **options: Unpack[Reading]) -> Ask[ApiKey]:
        """List keys, revoked and expired ones too."""
        return Ask(models.ApiKey, query={"limit": limit, "cursor": cursor})

    @call("GET", "/v1/api-keys/{key_id}")
    def get(self, key_id: Id, **options: Unpack[Reading]) -> Ask[ApiKey]:
        """Return one key without its secret."""
        return Ask(models.ApiKey, key_id)

    @call("DELETE", "/v1/api-keys/{key_id}")
    def revoke(self, key_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Revoke a key."""
        return Ask(type(None), key_id)

    @call("POST", "/v1/api-keys/{key_id}/rotate")
    def rotate(self, key_id: Id, **options: Unpack[Writing]) -> Ask[NewApiKey]:
        """Make a new key in the place of one, which is revoked.

        Raises:
            Conflict: it is revoked or expired already.
        """
        return Ask(models.NewApiKey, key_id)


class Tenants(Resource[E]):
    """Calls about tenants; they need the scope ``operator``."""

    @call("POST", "/v1/tenants")
    def create(self, name: str, **options: Unpack[Writing]) -> Ask[NewTenant]:
        """Make a tenant and its first key.

        Raises:
            Conflict: the name is taken.
        """
        return Ask(models.NewTenant, body={"name": name})

    @listing("GET", "/v1/tenants")
    def list(self, *, limit: int | None = None, cursor: str | None = None, **options: Unpack[Reading]) -> Ask[Tenant]:
        """List tenants, oldest first."""
        return Ask(models.Tenant, query={"limit": limit, "cursor": cursor})

    @call("GET", "/v1/tenants/{tenant_id}")
    def get(self, tenant_id: Id, **options: Unpack[Reading]) -> Ask[Tenant]:
        """Return one tenant; one that is being deleted says what is gone by now.

        Raises:
            NotFound: there is none, or it is deleted.
        """
        return Ask(models.Tenant, tenant_id)

    @call("DELETE", "/v1/tenants/{tenant_id}")
    def preview(self, tenant_id: Id, **options: Unpack[Reading]) -> Ask[Departure]:
        """Return what would go with a tenant, counted by table, without deleting anything."""
        return Ask(models.Departure, tenant_id, query={"dry_run": True})

    @call("DELETE", "/v1/tenants/{tenant_id}")
    def delete(self, tenant_id: Id, name: str, **options: Unpack[Writing]) -> Ask[Tenant]:
        """Delete a tenant with everything in it, for good; its keys end at once, the rest goes in the background.

        Args:
            tenant_id: who goes.
            name: the tenant's name, exactly, as a check.
            options: what concerns this call alone.

        Raises:
            ValidationFailed: this is not its name.
            Conflict: it is the tenant of the key that asks.
        """
        return Ask(models.Tenant, tenant_id, query={"name": name})
