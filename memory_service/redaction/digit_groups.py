"""Groups of digits as they stand together in a text: what could be one number, written with signs between its parts. Pure."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_GROUPS: Final = 8  # in so many parts does nobody write a number

_GROUP: Final = re.compile(r"\d+")
# What stands between the parts of a number, and what stands between numbers.
_JOINS: Final = frozenset("-./,")  # what stands after the first part of a date or an amount
_FAR: Final = 4  # characters
_BETWEEN: Final = re.compile(r"[ \t\u00a0().\u2010-\u2015/-]+")
_WIDE: Final = re.compile(r"[ \t\u00a0]{2}|[ \t\u00a0][\u2010-\u2015/-]+[ \t\u00a0]")
_PLUS: Final = re.compile(r"[+\uff0b][ (]{0,2}\Z")
_SPACED: Final = re.compile(r"[ \t\u00a0()]")
_YEAR: Final = r"(?:19|20)\d\d"
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_FROM: Final = rf"(?:{_DAY}\.{_DAY}\.?[ \u2010-\u2015-]{{1,3}})?"
_DATE: Final = re.compile(
    rf"(?<![\d./-])(?:{_YEAR}([-./]){_DAY}\1{_DAY}|{_FROM}{_DAY}([-./]){_DAY}\2(?:{_YEAR}|\d\d))"
    r"(?![./-]?\d)(?:[ T]\d{1,2}(?=:\d))?"
)
# A number with a fraction, as places on the earth are; thousands with dots between them.
_AMOUNT: Final = re.compile(
    r"(?<![\d.])(?:(?:0|[1-9]\d{0,2})\.\d{4,}|[1-9]\d{0,2}(?:\.\d{3}){2,}(?:,\d+)?|\d+,\d{2})(?![.,]?\d)"
)


class Group(NamedTuple):
    """A run of digits: where it stands, and how it hangs together with what is around it."""

    start: int
    end: int
    place: int  # of its first digit among all digits of the text
    plus: int  # where the sign of a call from abroad stands before it; -1: nowhere
    apart: bool  # white space or a bracket before it
    tied: bool  # it goes on from something that is no number: a letter, a comma, a colon
    letters: bool  # a letter follows at once
    runs_on: bool  # a letter, or a fraction, follows at once

    @property
    def length(self) -> int:
        """Return how many digits it has."""
        return self.end - self.start


def digits_of(chain: list[Group], at: int, end: int) -> int:
    """Return how many digits some groups of a chain have."""
    last = chain[end - 1]
    return last.place + last.end - last.start - chain[at].place


def chains(text: str, *, international_only: bool) -> Iterator[list[Group]]:
    """Yield groups that could be parts of one number; dates and amounts are none, and each `+` begins another.

    >>> [[text[g.start:g.end] for g in chain] for text in ["2024-01-15 +49 30 901820 +1 650-253 (2024-01-15), 7 8"]
    ...     for chain in chains(text, international_only=False)]
    [['49', '30', '901820'], ['1', '650', '253'], ['7', '8']]
    """
    chain: list[Group] = []
    place, last, skipped = 0, 0, 0
    for match in _GROUP.finditer(text):
        start, end = match.span()
        if start >= skipped and text[end : end + 1] in _JOINS:
            other = _DATE.match(text, start) or _AMOUNT.match(text, start)
            skipped = skipped if other is None else other.end()
        if start < skipped:
            if chain:
                yield chain
            chain, last = [], end
            continue
        group = _group(text, start, end, place, last)
        place += end - start
        if chain and not (group.plus < 0 and _goes_on(text[last:start])):
            yield chain
            chain = []
        if chain or group.plus >= 0 or not international_only:
            chain.append(group)
        last = end
    if chain:
        yield chain


def _goes_on(between: str) -> bool:
    return between == " " or (
        len(between) <= _FAR and _BETWEEN.fullmatch(between) is not None and _WIDE.search(between) is None
    )


def _group(text: str, start: int, end: int, place: int, last: int) -> Group:
    before, after = text[start - 1 : start], text[end : end + 1]
    letters = after.isascii() and after.isalnum()
    runs_on = letters or (after != "" and after in ",:" and text[end + 1 : end + 2].isdigit())
    if before == " " and last == start - 1:
        return Group(start, end, place, -1, True, False, letters, runs_on)
    sign = _PLUS.search(text, max(last, start - 3), start)
    return Group(
        start,
        end,
        place,
        plus=-1 if sign is None else sign.start(),
        apart=_SPACED.search(text, max(last, start - _FAR), start) is not None,
        tied=(before.isascii() and before.isalnum())
        or before == "#"
        or (before != "" and before in ".,:/-" and start > 1 and text[start - 2].isdigit()),
        letters=letters,
        runs_on=runs_on,
    )
