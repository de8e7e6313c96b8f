"""The cookie of the web view's session, and from which pages it is taken.

A browser sends the cookie by itself, also with requests that another page of the same site makes: another port of this machine is
the same site. So a request that changes something has to carry a header that a page of another origin cannot send without asking
first, and the service never says yes to that question. What the browser says of the page has to agree, where it says anything.
"""

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from memory_service.errors import Forbidden

NAME: Final = "ms_session"
ACCEPTED_BELOW: Final = "/v1/"  # never for the calls of other systems' clients, which send keys
REQUESTED_BY: Final = "X-Requested-By"
OUR_PAGE: Final = "admin"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SAME_PAGE: Final = frozenset({"same-origin"})
SAME_PAGE_OR_PERSON: Final = frozenset({"same-origin", "none"})  # none: typed, or from a bookmark


def session_of(request: Request) -> str:
    """Return the secret of the session that a request carries, nothing when it carries none."""
    return request.cookies.get(NAME, "")


def check_page(request: Request) -> None:
    """Refuse what a page of another origin, or one that is not the web view, asks for in the name of a session.

    Raises:
        Forbidden: code ``cross_site_request``.
    """
    check_origin(request)
    if request.method not in SAFE_METHODS and request.headers.get(REQUESTED_BY) != OUR_PAGE:
        raise Forbidden(
            f"With a session, a call that changes something carries the header `{REQUESTED_BY}: {OUR_PAGE}`.",
            code="cross_site_request",
        )


def check_origin(request: Request) -> None:
    """Refuse what the browser says comes from a page of another origin.

    Raises:
        Forbidden: code ``cross_site_request``.
    """
    headers = request.headers
    wanted = SAME_PAGE_OR_PERSON if request.method in SAFE_METHODS else SAME_PAGE
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    # The host alone: behind a proxy with TLS the service does not see the scheme that the browser sees.
    elsewhere = origin is not None and _host_of(origin) != headers.get("host", "").lower()
    if elsewhere or (site is not None and site not in wanted):
        raise Forbidden("A page of another origin may not use a session of the web view.", code="cross_site_request")


def _host_of(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else None


def keep(request: Request, response: Response, secret: str, *, lasts: timedelta) -> None:
    """Have the browser keep a session, where no script can read it."""
    _set(request, response, secret, max_age=int(lasts.total_seconds()))


def drop(request: Request, response: Response) -> None:
    """Have the browser forget the session."""
    _set(request, response, "", max_age=0)


def _set(request: Request, response: Response, value: str, *, max_age: int) -> None:
    # A proxy that ends TLS may not say so; the browser does.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").lower().startswith("https://")
    response.set_cookie(NAME, value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="strict")
