"""Telephone numbers, by the numbering plans that `phonenumbers` keeps. Pure."""

from collections.abc import Iterator
from typing import Final

import phonenumbers

from memory_service.redaction.digit_groups import MAX_GROUPS, Group, chains, digits_of
from memory_service.redaction.found import Found
from memory_service.redaction.numbering import NumberingPlans, could_be_international

REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
MAX_REGIONS: Final = 8  # of one rule: each reads what could be a number anew
MIN_DIGITS: Final = 7
MAX_DIGITS: Final = 15  # E.164 has no longer ones
MIN_BARE_DIGITS: Final = 10  # a shorter run of nothing but digits is an amount or an order more often than a telephone

_PLUS: Final = "+\uff0b"


class PhoneFinder:
    """Finds numbers written for a call from abroad, and as people write them within some countries."""

    def __init__(self, regions: tuple[str, ...] = ()) -> None:
        """Keep the countries whose own ways of writing are known, beside the international one."""
        self._plans = NumberingPlans(regions) if regions else None

    def __call__(self, text: str) -> Iterator[Found]:
        """Yield what a numbering plan knows.

        >>> [f.value for f in PhoneFinder()("Call +49 30 901820 or (030) 901820 on 2024-01-15")]
        ['+4930901820']
        >>> [f.value for f in PhoneFinder(("DE", "US"))("Call (030) 901820 or 650-253-0000; order 4711 0815, v1.22.333")]
        ['+4930901820', '+16502530000']
        """
        if self._plans is None and not any(sign in text for sign in _PLUS):
            return
        for chain in chains(text, international_only=self._plans is None):
            if chain[0].plus >= 0:
                found, begin = _international(text, chain)
                if found is not None:
                    yield found
            else:
                begin = 0
            if self._plans is not None:
                yield from self._national(text, chain[begin:])

    def _national(self, text: str, chain: list[Group]) -> Iterator[Found]:
        if not chain or chain[0].tied:
            return
        # So long a row is no number; there may be some in it.
        long = digits_of(chain, 0, len(chain)) > MAX_DIGITS
        at = 0
        while at < len(chain):
            first = chain[at]
            # What hangs together is taken from its beginning to its end, or not at all.
            begins = (at == 0 or first.apart) and (not long or _stands_out(text, chain, at))
            found, after = self._longest(text, chain, at) if begins else (None, at + 1)
            if found is not None:
                yield found
            at = after

    def _longest(self, text: str, chain: list[Group], at: int) -> tuple[Found | None, int]:
        if self._plans is None or _spelled(chain, at, min(len(chain), at + 2)):
            return None, at + 1
        start = chain[at].start - _opened(text, chain[at])
        for end in range(_next_alike(text, chain, at), at, -1):
            digits = digits_of(chain, at, end)
            if digits < (MIN_BARE_DIGITS if end == at + 1 else MIN_DIGITS):
                break
            last = chain[end - 1]
            if digits > MAX_DIGITS or last.runs_on or _spelled(chain, at, end) or not _ends(chain, end):
                continue
            said = text[start : last.end]
            value = self._plans.number(said) if said.count("(") <= 1 else None
            if value is not None:
                return Found(start, last.end, value), end
        return None, at + 1


def _next_alike(text: str, chain: list[Group], at: int) -> int:
    """Return how far a number may go: to where one begins with the same code of a place."""
    furthest, first = min(len(chain), at + MAX_GROUPS), chain[at]
    if first.length > 2 and text[first.start] == "0":
        code = text[first.start : first.end]
        for place in range(at + 1, furthest):
            if text[chain[place].start : chain[place].end] == code:
                return place
    return furthest


def _stands_out(text: str, chain: list[Group], at: int) -> bool:
    """Say whether a number may begin amid others: with what is dialled first, a bracket, or parts that hang together."""
    first = chain[at]
    hangs = at + 1 < len(chain) and not chain[at + 1].apart
    return hangs or text[first.start] == "0" or first.length >= MIN_BARE_DIGITS or _opened(text, first)


def _opened(text: str, group: Group) -> bool:
    return text[group.start - 1 : group.start] == "("


def _spelled(chain: list[Group], at: int, end: int) -> bool:
    """Say whether digits stand one by one rather than in the parts of a number."""
    return digits_of(chain, at, end) < 2 * (end - at) - 1


def _ends(chain: list[Group], end: int) -> bool:
    """Say whether a number within a country may end before this place: nothing hangs on to it."""
    return end == len(chain) or chain[end].apart


def _international(text: str, chain: list[Group]) -> tuple[Found | None, int]:
    """Return the longest number at the beginning of a chain, and how many groups it takes."""
    for end in range(min(len(chain), MAX_GROUPS), 0, -1):
        last = chain[end - 1]
        digits = digits_of(chain, 0, end)
        if digits < MIN_DIGITS:
            break
        if digits > MAX_DIGITS or last.letters or _spelled(chain, 0, end):
            continue
        said = phonenumbers.normalize_digits_only(text[chain[0].start : last.end])
        if not could_be_international(said):
            continue
        try:
            number = phonenumbers.parse(f"+{said}")
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            return Found(chain[0].plus, last.end, value), end
    return None, 1
