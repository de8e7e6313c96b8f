"""What became of a foreign file: how much was read, what went aside, what was left out and why."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]
"""One item of POST /v1/memories/batch."""

MAX_PLACES = 20  # named for each reason


class Unreadable(Exception):
    """The file, or the store, is not what it was said to be; the message is for people and quotes nothing of it."""


@dataclass(slots=True)
class Report:
    """Counts that a converter keeps while its items are read; complete when they are all read."""

    read: int = 0  # records of the source
    items: int = 0  # memories that came of them
    kept_as_metadata: Counter[str] = field(default_factory=Counter)  # fields that have no place of their own here
    left_out: Counter[str] = field(default_factory=Counter)  # records of which no memory came, by reason
    places: dict[str, list[str]] = field(default_factory=dict)  # where those stood, the first of each reason

    def leave_out(self, reason: str, place: str) -> None:
        """Count a record of which no memory comes."""
        self.left_out[reason] += 1
        named = self.places.setdefault(reason, [])
        if len(named) < MAX_PLACES:
            named.append(place)

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return {
            "read": self.read,
            "items": self.items,
            "kept_as_metadata": dict(sorted(self.kept_as_metadata.items())),
            "left_out": dict(sorted(self.left_out.items())),
            "places": self.places,
        }
