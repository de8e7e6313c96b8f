"""How long a call may take."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Timeout:
    """Seconds a call may take; None is without end.

    ``total`` bounds all attempts and the pauses between them, ``connect`` the making of one connection, and ``read`` how
    long the service may be silent. Of a download that comes piece by piece ``total`` bounds only its beginning. A call with
    ``wait="consolidated"`` is silent for as long as its ``timeout_s``.
    """

    connect: float | None = 5.0
    read: float | None = 60.0
    total: float | None = 120.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "total"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} is {seconds!r}; a timeout is more than 0 seconds, or None")

    def within(self, given: Timeout | float | None) -> Timeout:
        """Return the timeout of one call: a value as it is, a number as the new total."""
        if given is None:
            return self
        return given if isinstance(given, Timeout) else replace(self, total=float(given))


def shorter(seconds: float | None, remaining: float | None) -> float | None:
    """Return the sooner of two ends.

    >>> shorter(5.0, None), shorter(None, 2.0), shorter(5.0, 2.0)
    (5.0, 2.0, 2.0)
    """
    if seconds is None or remaining is None:
        return seconds if remaining is None else remaining
    return min(seconds, remaining)
