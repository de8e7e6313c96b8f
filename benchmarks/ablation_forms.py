"""The forms in which people load the same conversation: without times, as roles, with a time written before each text.

Each takes the batch items of a conversation, in order and with everything that they can have, and returns them as somebody
sends them who loads it in this form.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

Item = Mapping[str, Any]
Items = Sequence[Item]
Form = Callable[[Items], list[dict[str, Any]]]

ARRIVED: Final = datetime(2026, 11, 29, 12, tzinfo=UTC)
"""When what is sent without a time is stored: all of it at one moment, as of one batch."""
SEED: Final = 7


def session_time(items: Items) -> list[dict[str, Any]]:
    """Give every turn the time of the first of its session.

    >>> turn = {"content": "Hi!", "session_id": "s"}
    >>> a, b = ({**turn, "observed_at": f"2024-05-08T13:56:0{second}+00:00"} for second in (0, 1))
    >>> [one["observed_at"][11:19] for one in session_time([a, b])]
    ['13:56:00', '13:56:00']
    """
    first: dict[str, Any] = {}
    return [
        {**item, "observed_at": first.setdefault(item["session_id"], item["observed_at"])}
        if "observed_at" in item
        else dict(item)
        for item in items
    ]


def session_date(items: Items) -> list[dict[str, Any]]:
    """Give every turn the midnight before its session."""
    return [
        {**item, "observed_at": f"{item['observed_at'][:10]}T00:00:00+00:00"} if "observed_at" in item else item
        for item in session_time(items)
    ]


def at_once(items: Items) -> list[dict[str, Any]]:
    """Send no times, so that everything was observed when it was stored."""
    return [{**item, "observed_at": ARRIVED.isoformat()} for item in items]


def shuffled(items: Items) -> list[dict[str, Any]]:
    """Send the turns in an order of chance."""
    order = [dict(item) for item in items]
    random.Random(SEED).shuffle(order)
    return order


def without_sessions(items: Items) -> list[dict[str, Any]]:
    """Send no sessions."""
    return [{name: value for name, value in item.items() if name != "session_id"} for item in items]


def some_sessions(items: Items) -> list[dict[str, Any]]:
    """Send the session with half of the turns, by chance."""
    chance = random.Random(SEED)
    return [dict(item) if chance.random() < 0.5 else without_sessions([item])[0] for item in items]


def sessions_of_one(items: Items) -> list[dict[str, Any]]:
    """Send the session with the turns of whoever speaks first."""
    first = _speakers(items)[:1]
    return [dict(item) if item.get("speaker") in first else without_sessions([item])[0] for item in items]


def as_roles(items: Items) -> list[dict[str, Any]]:
    """Call whoever speaks first the user and everybody else the assistant."""
    first = _speakers(items)[:1]
    return [
        {
            **{name: value for name, value in item.items() if name != "speaker"},
            "role": "user" if item["speaker"] in first else "assistant",
        }
        if "speaker" in item
        else dict(item)
        for item in items
    ]


def names_and_roles(items: Items) -> list[dict[str, Any]]:
    """Send who speaks by name and as user or assistant."""
    return [dict(item) | role for item, role in zip(items, as_roles(items), strict=True)]


def names_and_user(items: Items) -> list[dict[str, Any]]:
    """Send everybody by name and as user, which is the role of a message that names none."""
    return [{**item, "role": "user"} if "speaker" in item else dict(item) for item in items]


def a_user_each(items: Items) -> list[dict[str, Any]]:
    """Give every speaker a user_id of their own."""
    return [{**item, "user_id": item["speaker"]} if "speaker" in item else dict(item) for item in items]


def stamped(form: Callable[[datetime], str]) -> Form:
    """Return the form that writes the time before the text and sends none."""

    def send(items: Items) -> list[dict[str, Any]]:
        return at_once(
            [
                {**item, "content": form(datetime.fromisoformat(item["observed_at"])) + item["content"]}
                if "observed_at" in item
                else item
                for item in items
            ]
        )

    return send


def as_json(items: Items) -> list[dict[str, Any]]:
    """Write an object around the text, as of a message."""
    return [{**item, "content": json.dumps({"role": "user", "content": item["content"]})} for item in items]


def as_line(items: Items) -> list[dict[str, Any]]:
    """Write an object of everything there is in place of the text, beside the fields."""
    return [
        {
            **item,
            "content": json.dumps(
                {
                    "id": item["external_id"],
                    "speaker": item.get("speaker") or item.get("role"),
                    "timestamp": item.get("observed_at"),
                    "text": item["content"],
                }
            ),
        }
        for item in items
    ]


def in_words(items: Items) -> list[dict[str, Any]]:
    """Write words around the text, beside the fields."""
    return [{**item, "content": f'Message: "{item["content"]}"'} for item in items]


def together(*forms: Form) -> Form:
    """Return the form that is all of these, one after another."""

    def send(items: Items) -> list[dict[str, Any]]:
        for form in forms:
            items = form(items)
        return [dict(item) for item in items]

    return send


def _speakers(items: Items) -> list[str]:
    return list(dict.fromkeys(item["speaker"] for item in items if "speaker" in item))


def _clock(moment: datetime) -> str:
    return f"{moment:%I:%M %p}".lower().lstrip("0")


FORMS: Final[Mapping[str, Form]] = {
    "session-time": session_time,
    "session-date": session_date,
    "session-date-shuffled": together(session_date, shuffled),
    "session-date-no-sessions": together(session_date, without_sessions),
    "at-once": at_once,
    "at-once-no-sessions": together(at_once, without_sessions),
    "shuffled": shuffled,
    "shuffled-no-sessions": together(shuffled, without_sessions),
    "roles": as_roles,
    "roles-no-sessions": together(as_roles, without_sessions),
    "names-and-roles": names_and_roles,
    "names-and-user": names_and_user,
    "roles-at-once": together(as_roles, at_once),
    "stamp-bracket": stamped(lambda moment: f"[{moment.day} {moment:%B %Y} {_clock(moment)}] "),
    "stamp-paren": stamped(lambda moment: f"({_clock(moment)} on {moment.day} {moment:%B, %Y}) "),
    "stamp-iso": stamped(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S} - "),
    "stamp-date": stamped(lambda moment: f"{moment:%Y-%m-%d}: "),
    "user-each": a_user_each,
    "user-each-no-sessions": together(a_user_each, without_sessions),
    "some-sessions": some_sessions,
    "sessions-of-one": sessions_of_one,
    "json": as_json,
    "json-line": as_line,
    "in-words": in_words,
}
"""By name, how a conversation is loaded."""
