"""Answers that take long to count are counted at most every half minute, for all who ask meanwhile."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import Response

from memory_service.api.answers import answer
from memory_service.api.services import Services

# Counting reads every memory once; whoever looks every few seconds is told what was counted a moment ago.
REMEMBERED: Final = timedelta(seconds=30)


def measured(services: Services, what: tuple[str | int | None, ...], measure: Callable[[datetime], Any]) -> Response:
    """Return what any process measured lately, else measure it.

    Args:
        services: the parts of the running service.
        what: what is measured, and of whom: no two answers may share it.
        measure: counts, as of the moment that it is given.
    """
    key, now = json.dumps(what), services.clock()
    if (kept := services.measured.get(key, since=(now - REMEMBERED).timestamp())) is not None:
        return Response(kept, media_type="application/json")
    response = answer(measure(now))
    services.measured.keep(key, bytes(response.body), at=now.timestamp())
    return response
