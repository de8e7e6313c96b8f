"""Routes below `/compat/mem0`: the namespace may stand in the path, and a slash at the end makes no difference."""

from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import Depends, Request
from starlette.routing import Match
from starlette.types import Scope

from memory_service.api.strict_json import StrictRoute
from memory_service.storage.namespaces import check_path
from memory_service.types import DEFAULT_NAMESPACE

PREFIX: Final = "/compat/mem0"
_IN_NAMESPACE: Final = f"{PREFIX}/ns/"
_KEY: Final = "mem0_namespace"


def split(path: str, raw_path: bytes | None) -> tuple[str | None, str]:
    """Return the namespace that a path names, and the path without it.

    The namespace is one segment as it was sent, so that a slash in it is written as %2F.

    >>> split("/compat/mem0/ns/users/42/v1/ping/", b"/compat/mem0/ns/users%2F42/v1/ping/")
    ('users/42', '/compat/mem0/v1/ping/')
    >>> split("/compat/mem0/v1/ping/", None)
    (None, '/compat/mem0/v1/ping/')
    """
    if not path.startswith(_IN_NAMESPACE):
        return None, path
    sent = raw_path.decode("latin-1").partition("?")[0] if raw_path else path
    namespace, _, rest = sent.removeprefix(_IN_NAMESPACE).partition("/")
    if not raw_path:
        return namespace, f"{PREFIX}/{rest}"
    return unquote(namespace), f"{PREFIX}/{unquote(rest)}"


class MemZeroRoute(StrictRoute):
    """A route of mem0's clients, who write a slash at the end of some paths and none at the end of others."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path without its namespace, and hand the namespace on."""
        path: str = scope.get("path", "")
        if not path.startswith(PREFIX):
            return Match.NONE, {}
        namespace, path = split(path, scope.get("raw_path"))
        path = path.removesuffix("/") + ("/" if self.path_format.endswith("/") else "")
        match, found = super().matches({**scope, "path": path})
        if match is not Match.NONE and namespace is not None:
            found[_KEY] = namespace
        return match, found


async def namespace_of(request: Request) -> str:
    """Return the namespace that the path names.

    Raises:
        InvalidRequest: it is none.
    """
    return check_path(request.scope.get(_KEY, DEFAULT_NAMESPACE), pointer="{namespace}")


NamespaceDep = Annotated[str, Depends(namespace_of)]
