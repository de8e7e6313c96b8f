"""Webhooks: receivers that are told of changes; made and looked after by administrators of a tenant."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.api.webhook_models import (
    DeliveriesOut,
    DeliveryOut,
    NewWebhookOut,
    RotationIn,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
    WebhooksOut,
)
from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import webhook_deliveries, webhooks
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import check_path, find_namespace_id
from memory_service.types import Action, Caller, KeyScope
from memory_service.webhooks.addresses import Reach, RefusedUrl, check_url, literal, read_networks
from memory_service.webhooks.events import WebhookEvent
from memory_service.webhooks.signing import draw_secret, read_secret, show_secret

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=StrictRoute)

Admin = Annotated[Caller, require(KeyScope.ADMIN)]

MOST_WEBHOOKS: Final = 100  # of a tenant: each of them is a row for every change
BOTH_SECRETS_FOR: Final = timedelta(days=1)
_TIMES: Final = ("failing_since", "retry_at", "created_at", "updated_at")
_PLAIN: Final = ("url", "namespace", "description", "content", "active", "disabled_reason", "failures")


def _json(row: RowMapping) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "events": list(row["events"]),
        **{name: row[name] for name in _PLAIN},
        **{name: rfc3339(row[name]) for name in _TIMES},
    }


def _delivery_json(row: RowMapping) -> dict[str, Any]:
    pending = row["status"] == webhook_deliveries.PENDING
    return {
        **{name: str(row[name]) for name in ("id", "webhook_id", "event_id", "subject_id")},
        **{name: row[name] for name in ("event", "namespace", "version", "status", "attempts")},
        "tries": [{**one, "at": rfc3339(datetime.fromisoformat(one["at"]))} for one in row["tries"]],
        "next_attempt_at": rfc3339(row["due_at"]) if pending else None,
        "occurred_at": rfc3339(row["occurred_at"]),
        "finished_at": rfc3339(row["finished_at"]),
    }


def _get(session: Session, caller: Caller, webhook_id: UUID, *, lock: bool = False) -> RowMapping:
    row = webhooks.get(session, caller.tenant_id, webhook_id, lock=lock)
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id}.", code="webhook_not_found")
    return row


def _get_delivery(session: Session, caller: Caller, webhook_id: UUID, delivery_id: UUID) -> RowMapping:
    row = webhook_deliveries.get(session, caller.tenant_id, webhook_id, delivery_id)
    if row is None:
        _get(session, caller, webhook_id)
        raise NotFound(f"This webhook has no delivery {delivery_id}.", code="delivery_not_found")
    return row


def _check_url(services: Services, url: str, *, content: bool) -> None:
    """Refuse a URL that nothing would be sent to, as far as that shows without asking for its address.

    Raises:
        InvalidRequest: code `webhook_url_refused`.
    """
    reach = Reach(read_networks(services.settings.webhook_networks))
    try:
        parts = check_url(url, reach)
        address = literal(parts.hostname or "")
        if content and parts.scheme == "http" and not (address is not None and reach.lets_in(address)):
            raise RefusedUrl("must begin with https:// for a webhook whose messages hold contents")
    except RefusedUrl as refused:
        raise InvalidRequest(
            f"/url: {refused}", errors=(FieldError("/url", str(refused)),), code="webhook_url_refused"
        ) from refused


def _secret(said: str | None) -> bytes:
    if said is None:
        return draw_secret()
    try:
        return read_secret(said)
    except ValueError as error:
        raise InvalidRequest(f"/secret: {error}", errors=(FieldError("/secret", str(error)),)) from error


def _check_active(row: RowMapping) -> None:
    if not row["active"]:
        raise Conflict(
            'Nothing is sent to this webhook; PATCH it with {"active": true} first.', code="webhook_inactive"
        )


def _without_secret(body: bytes) -> bytes:
    """Return an answer as it may be stored."""
    return json.dumps({**json.loads(body), "secret": None}).encode()


@router.post("", status_code=201, response_model=NewWebhookOut)
def create_webhook(
    request: Request, body: WebhookIn, caller: Admin, services: ServicesDep, session: SessionDep
) -> Response:
    """Have a receiver told of changes. Its secret is in this answer and nowhere else; a replayed answer has null there."""
    _check_url(services, body.url, content=body.content)
    secret = _secret(body.secret)
    namespace = None if body.namespace is None else check_path(body.namespace, pointer="/namespace")

    def produce() -> Response:
        if webhooks.count(session, caller.tenant_id) >= MOST_WEBHOOKS:
            raise Conflict(f"A tenant has at most {MOST_WEBHOOKS} webhooks.", code="too_many_webhooks")
        webhook_id = new_id()
        values = {
            "url": body.url, "events": body.events, "namespace": namespace, "description": body.description,
            "content": body.content, "active": body.active, "secret": secret,
        }  # fmt: skip
        webhooks.create(session, caller.tenant_id, webhook_id, values, now=services.clock())
        note(session, services, caller, Action.WEBHOOK_CREATE, subject=("webhook", webhook_id), content=body.content)
        made = {**_json(_get(session, caller, webhook_id)), "secret": show_secret(secret)}
        return answer(made, status=201, headers={"Location": f"/v1/webhooks/{webhook_id}"})

    return idempotent(request, caller, session, produce, keep=_without_secret)


@router.get("", response_model=WebhooksOut)
def list_webhooks(
    caller: Admin,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Those told of this namespace alone; without it, all.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List webhooks, newest first, without their secrets."""
    tenant_id = caller.tenant_id
    query = {"list": "webhooks", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    path = None if namespace is None else check_path(namespace, pointer="?namespace")
    rows = webhooks.list_webhooks(session, tenant_id, namespace=path, before=before, limit=limit + 1)
    if path is not None and before is None and not rows:
        # A webhook may name a namespace before anything is written to it, so those of it come first.
        find_namespace_id(session, tenant_id, path, pointer="?namespace")
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{webhook_id}", response_model=WebhookOut)
def get_webhook(webhook_id: UUID, caller: Admin, session: SessionDep) -> Response:
    """Return one webhook without its secret: what it is told of, and how its receiver is doing."""
    return answer(_json(_get(session, caller, webhook_id)))


@router.patch("/{webhook_id}", response_model=WebhookOut)
def change_webhook(
    webhook_id: UUID, body: WebhookPatch, caller: Admin, services: ServicesDep, session: SessionDep
) -> Response:
    """Change a webhook. With `active: true` what waits is sent at once, also after it was switched off for failing."""
    said = body.said()
    row = _get(session, caller, webhook_id, lock=True)
    if "url" in said or said.get("content") or said.get("active"):
        # What is switched off, or says less, is so whatever its URL: the operator may have let it in once and not now.
        _check_url(services, said.get("url", row["url"]), content=said.get("content", row["content"]))
    if said.get("namespace") is not None:
        said["namespace"] = check_path(said["namespace"], pointer="/namespace")
    changed = sorted(said)
    if said.get("active") or "url" in said:
        # A receiver at another address, or one that was mended, begins without a past.
        said |= {"disabled_reason": None, "failures": 0, "failing_since": None, "retry_at": None}
    webhooks.change(session, caller.tenant_id, webhook_id, said, now=services.clock())
    note(session, services, caller, Action.WEBHOOK_CHANGE, subject=("webhook", webhook_id), fields=changed)
    return answer(_json(_get(session, caller, webhook_id)))


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
def delete_webhook(webhook_id: UUID, caller: Admin, services: ServicesDep, session: SessionDep) -> Response:
    """Delete a webhook with its deliveries; what waits for it is not sent any more."""
    _get(session, caller, webhook_id, lock=True)
    webhooks.remove(session, caller.tenant_id, webhook_id)
    note(session, services, caller, Action.WEBHOOK_DELETE, subject=("webhook", webhook_id))
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate", response_model=NewWebhookOut)
def rotate_webhook(
    request: Request, webhook_id: UUID, caller: Admin, services: ServicesDep, session: SessionDep, body: RotationIn
) -> Response:
    """Sign with another secret; for a day every message has two signatures, one of the secret before."""
    secret = _secret(body.secret)

    def produce() -> Response:
        _get(session, caller, webhook_id, lock=True)
        now = services.clock()
        webhooks.rotate(session, caller.tenant_id, webhook_id, secret, former_until=now + BOTH_SECRETS_FOR, now=now)
        note(session, services, caller, Action.WEBHOOK_ROTATE, subject=("webhook", webhook_id))
        return answer({**_json(_get(session, caller, webhook_id)), "secret": show_secret(secret)})

    return idempotent(request, caller, session, produce, keep=_without_secret)


@router.post("/{webhook_id}/ping", status_code=202, response_model=DeliveryOut)
def ping_webhook(
    request: Request, webhook_id: UUID, caller: Admin, services: ServicesDep, session: SessionDep
) -> Response:
    """Send a message of the event `webhook.ping`, whatever the webhook listens to; its delivery says what became of it."""

    def produce() -> Response:
        _check_active(_get(session, caller, webhook_id))
        now = services.clock()
        delivery_id = webhook_deliveries.ping(
            session, caller.tenant_id, webhook_id, event=WebhookEvent.PING.value, now=now
        )
        webhooks.pause(session, caller.tenant_id, webhook_id, until=None)
        made = _delivery_json(_get_delivery(session, caller, webhook_id, delivery_id))
        where = f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"
        return answer(made, status=202, headers={"Location": where})

    return idempotent(request, caller, session, produce)


@router.get("/{webhook_id}/deliveries", response_model=DeliveriesOut)
def list_deliveries(
    webhook_id: UUID,
    caller: Admin,
    session: SessionDep,
    status: Annotated[str | None, Query(pattern="^(pending|delivered|dead)$")] = None,
    event: Annotated[WebhookEvent | None, Query(description="Only of this event.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List messages to a webhook, newest first: what was delivered, what waits, what is dead after all attempts."""
    tenant_id = caller.tenant_id
    _get(session, caller, webhook_id)
    query = {"list": "deliveries", "webhook": str(webhook_id), "status": status, "event": event}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    rows = webhook_deliveries.list_deliveries(
        session, tenant_id, webhook_id, status=status, event=event, before=before, limit=limit + 1
    )
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=_delivery_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{webhook_id}/deliveries/{delivery_id}", response_model=DeliveryOut)
def get_delivery(webhook_id: UUID, delivery_id: UUID, caller: Admin, session: SessionDep) -> Response:
    """Return one delivery with its attempts."""
    return answer(_delivery_json(_get_delivery(session, caller, webhook_id, delivery_id)))


@router.post("/{webhook_id}/deliveries/{delivery_id}/retry", status_code=202, response_model=DeliveryOut)
def retry_delivery(
    request: Request,
    webhook_id: UUID,
    delivery_id: UUID,
    caller: Admin,
    services: ServicesDep,
    session: SessionDep,
) -> Response:
    """Send a message again, dead or delivered, with all attempts anew; the same id tells the receiver that it is the same."""

    def produce() -> Response:
        _check_active(_get(session, caller, webhook_id))
        now, tenant_id = services.clock(), caller.tenant_id
        webhook_deliveries.again(session, tenant_id, webhook_id, delivery_id, now=now)
        shown = _delivery_json(_get_delivery(session, caller, webhook_id, delivery_id))
        webhooks.pause(session, tenant_id, webhook_id, until=None)
        return answer(shown, status=202)

    return idempotent(request, caller, session, produce)
