"""Resources: what a host can show or attach without a model calling anything."""

from urllib.parse import parse_qs, unquote, urlsplit
from urllib.parse import quote as percent

import mcp_types as types
from memory_client.errors import NamespaceNotFound, NotFound

from memory_mcp.failures import ToolFailure
from memory_mcp.items import item_of, quoted
from memory_mcp.quoting import NOTICE, label, quote
from memory_mcp.scope import Place
from memory_mcp.tool import Caller

SCHEME = "memory"
MOST_RECENT = 100
DEFAULT_RECENT = 20
MOST_LISTED = 50  # profiles in the listing; any other can be read by its template
MIME_TYPE = "text/markdown"


def templates() -> list[types.ResourceTemplate]:
    """Return the addresses that can be filled in."""
    return [
        types.ResourceTemplate(
            name="profile",
            title="Profile of a user",
            uri_template="memory://profile/{user_id}{?namespace}",
            description="What lasts about a user and what happened lately, drawn from their memories in the background.",
            mime_type=MIME_TYPE,
        ),
        types.ResourceTemplate(
            name="recent",
            title="Recent memories",
            uri_template="memory://recent{?namespace,user_id,limit}",
            description=f"The newest memories of a namespace: {DEFAULT_RECENT}, or `limit` up to {MOST_RECENT}.",
            mime_type=MIME_TYPE,
        ),
    ]


def recent_resource() -> types.Resource:
    """Return the resource that is always there."""
    return types.Resource(
        name="recent",
        title="Recent memories",
        uri="memory://recent",
        description="The newest memories.",
        mime_type=MIME_TYPE,
    )


async def profile_resources(caller: Caller) -> list[types.Resource]:
    """Return the profiles of known users, or of the one user this server keeps to."""
    place = caller.scope.place()
    users = [place.user_id] if place.user_id is not None else await _known_users(caller, place)
    return [
        types.Resource(
            name=f"profile of {label(user)}",
            title=f"Profile of {label(user)}",
            uri=f"memory://profile/{percent(user, safe='')}",
            description="What lasts about this user and what happened lately.",
            mime_type=MIME_TYPE,
        )
        for user in users
    ]


async def _known_users(caller: Caller, place: Place) -> list[str]:
    try:
        return [user.id for user in await caller.client.users.list(namespace=place.namespace, limit=MOST_LISTED)]
    except NamespaceNotFound:
        return []


async def read_resource(caller: Caller, uri: str) -> str:
    """Return the text of a resource.

    Raises:
        ToolFailure: with code `resource_not_found` for an address that is none of ours.
    """
    try:
        address = urlsplit(uri)
    except ValueError:  # No address at all, such as `memory://[`.
        address = urlsplit("")
    asked = parse_qs(address.query, keep_blank_values=True)
    if address.scheme == SCHEME and address.netloc == "recent" and address.path in ("", "/"):
        _refuse_unknown(asked, {"namespace", "user_id", "limit"})
        place = caller.scope.place(namespace=_one(asked, "namespace"), user_id=_one(asked, "user_id"))
        return await _recent(caller, place, _limit(asked))
    if address.scheme == SCHEME and address.netloc == "profile" and address.path.count("/") == 1:
        _refuse_unknown(asked, {"namespace"})
        user = unquote(address.path.removeprefix("/"))
        if user:
            place = caller.scope.place(namespace=_one(asked, "namespace"), user_id=user)
            return await _profile(caller, place, user)
    raise ToolFailure(
        "resource_not_found", "There is no such resource; there are memory://recent and memory://profile/{user_id}."
    )


async def _recent(caller: Caller, place: Place, limit: int) -> str:
    asked = {"user_id": place.user_id} if place.user_id is not None else None
    nothing = "Nothing has been remembered here yet."
    try:
        page = await caller.client.query(asked, namespace=place.namespace, limit=limit)
    except NamespaceNotFound:
        return nothing
    items = [item_of(memory) for memory in page]
    return f"{NOTICE}\n\n{quoted(items)}" if items else nothing


async def _profile(caller: Caller, place: Place, user: str) -> str:
    try:
        profile = await caller.client.profiles.get(user, namespace=place.namespace)
    except NotFound:
        return f"Nothing is known of {label(user)} yet; profiles are drawn from memories in the background."
    parts = [f"# {label(user)}", NOTICE]
    for title, lines in (("What lasts", profile.static), ("Lately", profile.recent)):
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(quote(str(line["text"])) for line in lines))
    return "\n\n".join(parts)


def _refuse_unknown(asked: dict[str, list[str]], known: set[str]) -> None:
    unknown = asked.keys() - known
    if unknown:
        raise ToolFailure("resource_not_found", f"This resource takes {', '.join(sorted(known))} only.")


def _one(asked: dict[str, list[str]], name: str) -> str | None:
    values = asked.get(name, [])
    if len(values) > 1:
        raise ToolFailure("resource_not_found", f"`{name}` stands there more than once.")
    return values[0] if values and values[0] else None


def _limit(asked: dict[str, list[str]]) -> int:
    said = _one(asked, "limit") or str(DEFAULT_RECENT)
    if not (said.isascii() and said.isdigit() and 1 <= int(said) <= MOST_RECENT):
        raise ToolFailure("resource_not_found", f"`limit` lies between 1 and {MOST_RECENT}.")
    return int(said)
