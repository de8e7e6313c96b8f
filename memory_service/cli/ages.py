"""Times as people say them."""

from datetime import datetime

MINUTE, HOUR, DAY = 60, 3_600, 86_400
STEPS = ((MINUTE, "min"), (HOUR, "h"), (DAY, "d"), (30.44 * DAY, "mo"), (365.25 * DAY, "y"))


def age(moment: str | None, *, now: datetime) -> str:
    """Return how long ago a time was, in its largest unit.

    >>> now = datetime.fromisoformat("2026-11-26T12:00:00Z")
    >>> [age(f"2026-{day}T09:00:00Z", now=now) for day in ("11-26", "11-20", "02-01", "11-27")]
    ['3 h', '6 d', '9 mo', 'in 21 h']
    >>> age("2026-11-26T11:59:45Z", now=now), age(None, now=now)
    ('now', '')
    """
    if not moment:
        return ""
    seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    size, unit = next(((size, unit) for size, unit in reversed(STEPS) if abs(seconds) >= size), (0, ""))
    if not size:
        return "now"
    said = f"{int(abs(seconds) // size)} {unit}"
    return said if seconds >= 0 else f"in {said}"


def minute(moment: str | None) -> str:
    """Return a time to the minute, in UTC as the service writes it.

    >>> minute("2026-11-26T12:00:59.123456Z"), minute(None)
    ('2026-11-26 12:00', '')
    """
    return moment[:16].replace("T", " ") if moment else ""
