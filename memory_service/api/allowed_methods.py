"""Which methods a path answers: a router only knows the first route that matches."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """Return the methods of the routes of this path, HEAD and OPTIONS included.

    Of several templates that match, the first one is meant: /v1/memories/archive is not /v1/memories/{memory_id}.
    """
    matching = [r for r in routes if isinstance(r, Route) and r.matches(dict(scope))[0] is not Match.NONE]
    methods = {"OPTIONS"}
    for route in matching:
        if route.path == matching[0].path:
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
