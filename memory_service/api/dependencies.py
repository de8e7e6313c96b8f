"""What routes ask for: the caller, and a transaction that is committed before the answer is sent."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import Depends, Request
from sqlalchemy.orm import Session

from memory_service.api import session_cookie
from memory_service.api.auth import presented_key
from memory_service.api.services import Services
from memory_service.errors import Forbidden
from memory_service.storage.database import commit, end, run_after_commit, translate_errors
from memory_service.types import Caller, KeyScope


async def get_services(request: Request) -> Services:
    """Return the parts of the running service."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


async def admit(request: Request) -> Caller:
    """Return who is asking, within the rate of the key; asked again for the same request, it remembers.

    A key in a header goes before a session of the web view, which is taken where our own calls are and from our own page only.

    Raises:
        Unauthenticated: no key and no session, or none that is valid.
        Forbidden: a page of another origin uses a session.
        RateLimited: the key has used up its rate.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    services: Services = request.app.state.services
    session = session_cookie.session_of(request) if _takes_session(request) else ""
    if session:
        session_cookie.check_page(request)
        caller = await services.authenticator.authenticate_session(session)
    else:
        caller = await services.authenticator.authenticate(request.headers)
    request.state.tenant_id = caller.tenant_id
    services.rate_limiter.hit(caller.key_id)
    request.state.caller = caller
    return caller


def _takes_session(request: Request) -> bool:
    path: str = request.scope["path"]
    return path.startswith(session_cookie.ACCEPTED_BELOW) and not presented_key(request.headers)


async def get_caller(request: Request) -> Caller:
    """Return who is asking; ``StrictRoute`` has admitted the caller before it read the body."""
    return await admit(request)


AnyCaller = Annotated[Caller, Depends(get_caller)]


def require(scope: KeyScope) -> Any:
    """Return a dependency: the caller, whose key must carry ``scope``.

    Use it as ``caller: Annotated[Caller, require(KeyScope.READ)]``.
    """
    return Depends(_CHECKS[scope])


def _check(scope: KeyScope) -> Callable[[Request], Coroutine[Any, Any, Caller]]:
    # Asks by itself: a dependency of its own for the caller would be one more to resolve for every request.
    async def allowed(request: Request) -> Caller:
        caller = await admit(request)
        check_scope(caller, scope)
        return caller

    return allowed


def check_scope(caller: Caller, scope: KeyScope) -> None:
    """Refuse a caller whose key lacks a scope; for routes whose parameters decide which one they need.

    Raises:
        Forbidden: naming the scope.
    """
    if not caller.may(scope):
        raise Forbidden(f"This key lacks the scope {scope.value}; make one that has it with POST /v1/api-keys.")


# One function per scope, so that FastAPI asks each at most once per request.
_CHECKS = {scope: _check(scope) for scope in KeyScope}


async def get_session(request: Request) -> AsyncIterator[Session]:
    """Hand out the caller's session; commit when the route returns, roll back when it raises.

    The session takes a connection at its first statement. Declared with ``scope="function"``, this ends before the
    answer is sent: a failed commit is an error answer, never a 200.
    """
    caller = await admit(request)
    services: Services = request.app.state.services
    session = services.database.session(caller.tenant_id)
    try:
        with translate_errors():
            yield session
            if session.in_transaction():
                # An extra thread hop is saved for requests that never touched the database.
                await to_thread.run_sync(commit, session, limiter=services.commit_threads)
    finally:
        if session.in_transaction():
            # Also when the request is cancelled: a connection must go back to the pool.
            with CancelScope(shield=True):
                await to_thread.run_sync(end, session, limiter=services.commit_threads)
    run_after_commit(session)


ASKS_FOR_KEY = frozenset({get_caller, get_session, *_CHECKS.values()})
"""Dependencies that ask who is calling."""

SessionDep = Annotated[Session, Depends(get_session, scope="function")]
