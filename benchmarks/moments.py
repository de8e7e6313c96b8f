"""Read the ways in which conversation data sets write a time, and keep the order of turns in it."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

FORMS = (
    "%I:%M %p on %d %B, %Y",  # 1:56 pm on 8 May, 2023 (LoCoMo)
    "%d.%m.%Y, %H:%M:%S",  # 29.12.2023, 22:42:04 (REALTALK)
    "%B-%d-%Y",  # March-15-2024 (BEAM)
    "%Y/%m/%d %H:%M",  # 2023/05/20 (Sat) 02:21, weekday removed (LongMemEval)
    "%Y/%m/%d",
)
STEP = timedelta(seconds=1)
_WEEKDAY = re.compile(r"\s*\((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\)")


def read_moment(text: str) -> datetime | None:
    """Return the time that ``text`` states, in UTC where no zone is given, None when it is empty.

    Raises:
        ValueError: the form is not known.

    >>> read_moment("1:56 pm on 8 May, 2023").isoformat()
    '2023-05-08T13:56:00+00:00'
    >>> read_moment("2023/05/20 (Sat) 02:21").isoformat()
    '2023-05-20T02:21:00+00:00'
    """
    stated = _WEEKDAY.sub("", text).strip()
    if not stated:
        return None
    for form in FORMS:
        try:
            return datetime.strptime(stated, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        raise ValueError(f"the time {text!r} is in no known form") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_order(stated: Iterable[tuple[str, datetime | None]]) -> list[datetime | None]:
    """Return a time for each turn (session, stated time) that keeps the turns of a session in their order.

    Most sets state one time per session or per day. The n-th turn with the same stated time gets n seconds more, and
    inside a session every turn is later than the one before. A turn without a time follows the turn before it by a
    second; before the first stated time there is nothing to follow and it stays None.

    >>> noon = datetime(2024, 3, 15, 12, tzinfo=UTC)
    >>> [str(t.time()) for t in in_order([("s1", noon), ("s1", noon), ("s2", noon), ("s2", None)])]
    ['12:00:00', '12:00:01', '12:00:02', '12:00:03']
    """
    seen: dict[datetime, int] = defaultdict(int)
    last_in: dict[str, datetime] = {}
    last: datetime | None = None
    placed: list[datetime | None] = []
    for session, moment in stated:
        if moment is None:
            found = last_in.get(session, last)
            place = found + STEP if found else None
        else:
            place = moment + seen[moment] * STEP
            seen[moment] += 1
            if session in last_in:
                place = max(place, last_in[session] + STEP)
        if place is not None:
            last = last_in[session] = place
        placed.append(place)
    return placed
