"""What a case needs to be written once for both clients."""

import inspect
from typing import Any


async def got(answer: Any) -> Any:
    """Return what a call gives, awaited where it has to be."""
    return await answer if inspect.isawaitable(answer) else answer


async def every(items: Any) -> list[Any]:
    """Return all that something iterates over, in either way."""
    if hasattr(items, "__aiter__"):
        return [item async for item in items]
    return list(items)
