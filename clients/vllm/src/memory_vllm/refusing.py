"""What becomes of a request in LMCache's connector once its plan admits nothing of it. No vLLM and no LMCache here."""

from collections.abc import Callable
from typing import Any, Protocol


class Tracked(Protocol):
    """What LMCache's connector knows of a request."""

    lookup_started_at: float | None
    num_lmcache_hit_tokens: int
    state: Any


def refuse(tracked: Tracked, *, loaded: object, bypassing: object, look_up: Callable[[], int | None]) -> int | None:
    """Have a request computed here with nothing to save; LMCache may have been asked while its plan still stood.

    Args:
        tracked: what LMCache's connector knows of the request.
        loaded: the state of a request whose load is over.
        bypassing: the state of one that LMCache has nothing to do with.
        look_up: asks LMCache about the request, or again: tokens that it can load, None where it does not know yet.

    Returns:
        Tokens to load, which are none; None: not known yet, ask again.
    """
    # The server locks what it finds, so what that is has to be known before it can be given back.
    if tracked.lookup_started_at is not None and look_up() is None:
        return None
    if tracked.num_lmcache_hit_tokens > 0:
        if tracked.state is loaded:
            # It was loaded, and its blocks were taken or did not come: LMCache forgets them, and bypasses itself.
            look_up()
        # Else LMCache gives its locks back once blocks are allocated and none of them is to be loaded.
        return 0
    # As LMCache does with a request whose load has failed.
    tracked.state = bypassing
    return 0
