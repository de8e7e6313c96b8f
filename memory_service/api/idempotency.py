"""Idempotency-Key: the same request twice changes things once and gets the same answer."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from fastapi import Request, Response
from sqlalchemy.orm import Session

from memory_service.api.services import Services
from memory_service.errors import FieldError, IdempotencyKeyReused, InvalidRequest, StillRunning
from memory_service.storage.database import commit
from memory_service.storage.idempotency import StoredAnswer, find_answer, keep_answer, try_lock
from memory_service.types import Caller

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
KEPT_HEADERS = ("content-type", "location", "etag")

Made = TypeVar("Made")


def idempotent(
    request: Request,
    caller: Caller,
    session: Session,
    produce: Callable[[], Response],
    *,
    keep: Callable[[bytes], bytes] = bytes,
) -> Response:
    """Return the answer of ``produce``, or the one it gave before to the same key, once the change is durable.

    Everything happens in the caller's transaction, which ends here, in the thread that the route runs in: the answer is
    stored if and only if the change is. What takes long before that transaction belongs into `idempotent_after`.

    Args:
        request: its body must have been read by ``StrictRoute``.
        caller: a key of this header belongs to one API key.
        session: the session ``produce`` works in.
        produce: makes the change and the answer.
        keep: what is stored of the answer's body; for answers that hold secrets.

    Raises:
        StillRunning: another request with this key has not finished.
        IdempotencyKeyReused: the key came with another request before.
        InvalidRequest: the key is not 1-255 visible ASCII characters.
        Unavailable: the change could not be made durable.
    """
    key = _key_of(request)
    response = produce() if key is None else _once(request, caller, session, produce, key=key, keep=keep)
    commit(session)
    return response


def idempotent_after(
    request: Request,
    caller: Caller,
    session: Session,
    work: Callable[[], Made],
    produce: Callable[[Made], Response],
) -> Response:
    """Do as `idempotent` with what ``work`` made; it encodes, and is spared where the key says what to answer already.

    Raises: as `unless_answered` and `idempotent`.
    """

    def run() -> Response:
        made = work()
        return idempotent(request, caller, session, lambda: produce(made))

    return unless_answered(request, caller, run)


def unless_answered(request: Request, caller: Caller, run: Callable[[], Response]) -> Response:
    """Return the answer that the key of a request got before, or that of ``run``, which ends in `idempotent`.

    The key is reserved while that runs, and no connection of the pool is held for it: a repetition meanwhile is refused at once,
    before it encodes anything, whichever process it comes to.

    Raises:
        StillRunning: another request with this key has not finished.
        IdempotencyKeyReused: the key came with another request before.
        InvalidRequest: the key is not 1-255 visible ASCII characters.
        Unavailable: the database is down.
    """
    key = _key_of(request)
    if key is None:
        return run()
    services: Services = request.app.state.services
    with services.reservations.of(caller, key) as free:
        if not free:
            raise _still_running()
        with services.database.transaction(caller.tenant_id, durable=False) as glance:
            stored = find_answer(glance, caller, key, now=services.clock())
        if stored is not None:
            return _replay(stored, _request_hash(request))
        request.state.key_reserved = True
        try:
            return run()
        finally:
            request.state.key_reserved = False


def _once(
    request: Request,
    caller: Caller,
    session: Session,
    produce: Callable[[], Response],
    *,
    key: str,
    keep: Callable[[bytes], bytes],
) -> Response:
    services: Services = request.app.state.services
    now = services.clock()
    digest = _request_hash(request)
    if not try_lock(session, caller, key, reserved=getattr(request.state, "key_reserved", False)):
        raise _still_running()
    stored = find_answer(session, caller, key, now=now)
    if stored is not None:
        return _replay(stored, digest)
    response = produce()
    if 200 <= response.status_code < 300:
        _store(
            session, caller, key, response, digest=digest, keep=keep, now=now, hours=services.settings.idempotency_ttl_h
        )
    return response


def was_replayed(response: Response) -> bool:
    """Say whether an answer is one that was given before."""
    return REPLAYED in response.headers


def _key_of(request: Request) -> str | None:
    key = request.headers.get(HEADER)
    if key is None or KEY.match(key):
        return key
    detail = f"{HEADER} is 1 to 255 visible ASCII characters, a UUID for example."
    raise InvalidRequest(detail, errors=(FieldError(HEADER, detail),), code="invalid_idempotency_key")


def _still_running() -> StillRunning:
    return StillRunning(f"A request with this {HEADER} is still running; ask again in a moment.", retry_after_s=1)


def _request_hash(request: Request) -> bytes:
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.url.path.encode(), request.scope["query_string"]):
        digest.update(part + b"\n")
    digest.update(request.state.raw_body)
    return digest.digest()


def _replay(stored: StoredAnswer, digest: bytes) -> Response:
    if stored.request_hash != digest:
        raise IdempotencyKeyReused(f"This {HEADER} was used for another request; take a new one for a new request.")
    return Response(stored.body, status_code=stored.status, headers={**stored.headers, REPLAYED: "true"})


def _store(
    session: Session,
    caller: Caller,
    key: str,
    response: Response,
    *,
    digest: bytes,
    keep: Callable[[bytes], bytes],
    now: datetime,
    hours: int,
) -> None:
    answer = StoredAnswer(
        request_hash=digest,
        status=response.status_code,
        headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        body=keep(bytes(response.body)),
    )
    keep_answer(session, caller, key, answer, now=now, expires_at=now + timedelta(hours=hours))
