"""How often a process that serves looks for garbage, and among what."""

import gc
from typing import Final

YOUNG: Final = (
    5_000  # objects between two looks at the youngest; 700 by default, which a single search makes several times
)


def spare_what_lives() -> None:
    """Have the collector look no more at what is there now: modules, routes, models live as long as the process.

    They are a quarter of a million objects, and a full collection stops every thread while it visits each of them.
    Call it once a process has opened what it needs, or before it forks: memory that no collector writes to stays shared.
    """
    gc.collect()
    gc.freeze()
    _, *older = gc.get_threshold()
    gc.set_threshold(YOUNG, *older)
