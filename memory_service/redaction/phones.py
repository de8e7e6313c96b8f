"""Telephone numbers, by the numbering plans that `phonenumbers` keeps. Pure."""

import re
from collections.abc import Iterator
from typing import Final

import phonenumbers

from memory_service.redaction.found import Found

REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
MIN_DIGITS: Final = 7
MAX_DIGITS: Final = 15  # E.164 has no longer ones
MIN_BARE_DIGITS: Final = 10  # a shorter run of nothing but digits is an amount or an order more often than a telephone

# What could be one, so that the library, which is thorough and slow, reads as little as possible.
_CANDIDATE: Final = re.compile(r"[+(\d][+\d \t\u00a0().\u2010-\u2015/-]{5,24}\d(?!\w)")
_BEFORE: Final = re.compile(r"(?<![\w.+/-])")
_DIGIT: Final = re.compile(r"\d")
_DATE: Final = re.compile(r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})(?:[ T]\d{1,2})?\Z")


class PhoneFinder:
    """Finds numbers written for a call from abroad, and as people write them within some countries."""

    def __init__(self, regions: tuple[str, ...] = ()) -> None:
        """Keep the countries whose own ways of writing are known, beside the international one."""
        self._regions = regions

    def __call__(self, text: str) -> Iterator[Found]:
        """Yield what a numbering plan knows.

        >>> [f.value for f in PhoneFinder()("Call +49 30 901820 or (030) 901820 on 2024-01-15")]
        ['+4930901820']
        >>> [f.value for f in PhoneFinder(("DE", "US"))("Call (030) 901820 or 650-253-0000; order 4711 0815, v1.22.333")]
        ['+4930901820', '+16502530000']
        """
        if not self._regions and "+" not in text:
            return
        for candidate in _CANDIDATE.finditer(text):
            said = candidate.group()
            if (
                not MIN_DIGITS <= len(_DIGIT.findall(said)) <= MAX_DIGITS
                or _DATE.match(said)
                or not _BEFORE.match(text, candidate.start())
            ):
                continue
            yield from self._within(said, candidate.start())

    def _within(self, said: str, offset: int) -> Iterator[Found]:
        international = "+" in said
        bare = said.isdigit()
        if bare and (len(said) < MIN_BARE_DIGITS):
            return
        for region in (None,) if international else self._regions:
            found = False
            matcher = phonenumbers.PhoneNumberMatcher(said, region, leniency=phonenumbers.Leniency.VALID)
            for match in matcher:
                found = True
                value = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
                yield Found(offset + match.start, offset + match.end, value)
            if found:
                return
