"""What a fact is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

USER: Final = "user"
"""Who speaks where nobody is named."""

MOST_FACTS: Final = 16  # of one text


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement as subject, attribute and value.

    Attributes:
        subject: Whom or what it is about, folded: a name, `user`, "sister of ana", "grant application".
        attribute: What is said of it, as a label: "lives_in", "deadline", "favourite_colour".
        value: What it is said to be, as it is written.
        key: The value in the form in which it is compared.
        positive: False where it is denied.
        functional: It can have one value at a time, so that another value takes its place.
        changed: The sentence says that it was otherwise before.
        ended: It was so, and is no more.
        valid_from, valid_to: Since when and until when, where the text says; valid_to is exclusive.
        span: Where it stands in the text, from the subject to the end of the value, in characters.
        number, unit: The value as a number in one unit of its dimension, where it is one.
        called: Which of several relatives is meant, by name as it is written: Tom in "my brother Tom". It is not stored.
    """

    subject: str
    attribute: str
    value: str
    key: str
    span: tuple[int, int]
    positive: bool = True
    functional: bool = False
    changed: bool = False
    ended: bool = False
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    number: float | None = None
    unit: str | None = None
    called: str | None = None
