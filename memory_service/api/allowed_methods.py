"""Which methods a path answers: a router only knows the first route that matches."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """Return the methods of every route whose path matches, HEAD and OPTIONS included."""
    methods = {"OPTIONS"}
    for route in routes:
        if isinstance(route, Route) and route.matches(dict(scope))[0] is not Match.NONE:
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
