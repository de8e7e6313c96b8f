"""Webhooks: receivers that are told of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.group_fields import DeliveryList, InNamespace, WebhookFields, WebhookPatch
    from memory_client.models import Delivery, NewWebhook, Webhook
    from memory_client.operation import Reading, Writing


class Webhooks(Resource[E]):
    """Calls about webhooks; they need the scope ``admin``."""

    @call("POST", "/v1/webhooks")
    def create(self, url: str, **fields: Unpack[WebhookFields]) -> Ask[NewWebhook]:
        """Have a receiver told of changes; the secret that signs is shown this once."""
        return Ask(models.NewWebhook, body={"url": url, **stated(fields)})

    @listing("GET", "/v1/webhooks")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Webhook]:
        """List webhooks, newest first."""
        return Ask(models.Webhook, query=where)

    @call("GET", "/v1/webhooks/{webhook_id}")
    def get(self, webhook_id: Id, **options: Unpack[Reading]) -> Ask[Webhook]:
        """Return one webhook, and how its receiver is doing."""
        return Ask(models.Webhook, webhook_id)

    @call("PATCH", "/v1/webhooks/{webhook_id}", keyed=True)
    def update(self, webhook_id: Id, **fields: Unpack[WebhookPatch]) -> Ask[Webhook]:
        """Change a webhook; ``namespace=None`` has it told of all namespaces."""
        return Ask(models.Webhook, webhook_id, body=fields)

    @call("DELETE", "/v1/webhooks/{webhook_id}")
    def delete(self, webhook_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Delete a webhook with its deliveries."""
        return Ask(type(None), webhook_id)

    @call("POST", "/v1/webhooks/{webhook_id}/rotate")
    def rotate(self, webhook_id: Id, *, secret: str | None = None, **options: Unpack[Writing]) -> Ask[NewWebhook]:
        """Sign with another secret; for a day the one before signs, too."""
        return Ask(models.NewWebhook, webhook_id, body=stated({"secret": secret}))

    @call("POST", "/v1/webhooks/{webhook_id}/ping")
    def ping(self, webhook_id: Id, **options: Unpack[Writing]) -> Ask[Delivery]:
        """Send a message that tells of nothing, and return its delivery.

        Raises:
            Conflict: the webhook is not active.
        """
        return Ask(models.Delivery, webhook_id)

    @listing("GET", "/v1/webhooks/{webhook_id}/deliveries")
    def deliveries(self, webhook_id: Id, **which: Unpack[DeliveryList]) -> Ask[Delivery]:
        """List messages to a webhook and what became of them, newest first."""
        return Ask(models.Delivery, webhook_id, query=which)

    @call("GET", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}")
    def delivery(self, webhook_id: Id, delivery_id: Id, **options: Unpack[Reading]) -> Ask[Delivery]:
        """Return one delivery with its attempts."""
        return Ask(models.Delivery, webhook_id, delivery_id)

    @call("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry")
    def retry(self, webhook_id: Id, delivery_id: Id, **options: Unpack[Writing]) -> Ask[Delivery]:
        """Send a message again, dead or delivered.

        Raises:
            Conflict: the webhook is not active.
        """
        return Ask(models.Delivery, webhook_id, delivery_id)
