"""Numbering plans of countries: a quick look at what could be a number, and the thorough one of `phonenumbers`. Pure."""

import re
from functools import cache
from typing import Final

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

# Digits alone that tell a time: seconds and milliseconds since 1970.
_CLOCK: Final = re.compile(r"1\d{9}(?:\d{3})?\Z")


def could_be_international(digits: str) -> bool:
    """Say whether digits that follow a `+` begin with the code of a country and go on as its numbers do.

    >>> could_be_international("4930901820"), could_be_international("49030901820"), could_be_international("11111111111")
    (True, True, False)
    """
    for length in (1, 2, 3):
        looks = _looks_abroad(digits[:length])
        if looks is not None:
            return looks.fullmatch(digits, length) is not None
    return False


@cache
def _looks_abroad(code: str) -> "re.Pattern[str] | None":
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code.isdigit() and code[0] != "0" else None
    if regions is None:
        return None
    return re.compile("|".join(_form(_metadata(region, int(code))) for region in regions))


class NumberingPlans:
    """What numbers look like within some countries."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        """Read the plans of these countries."""
        self._looks = tuple((region, _looks_within(region)) for region in regions)
        self._any = re.compile("|".join(f"(?:{looks.pattern})" for _, looks in self._looks))

    def number(self, said: str) -> str | None:
        """Return the one form of a number that is written as in the first of the countries that knows it; None: it is none.

        >>> NumberingPlans(("DE", "US")).number("(030) 901820"), NumberingPlans(("US",)).number("25.27.26.2099")
        ('+4930901820', None)
        """
        digits = phonenumbers.normalize_digits_only(said)
        if self._any.fullmatch(digits) is None or (len(said) == len(digits) and _CLOCK.match(digits)):
            return None
        # Dots stand in versions, too: there the parts must be those that the country writes.
        leniency = phonenumbers.Leniency.STRICT_GROUPING if "." in said else phonenumbers.Leniency.VALID
        for region, looks in self._looks:
            if looks.fullmatch(digits) is None:
                continue
            for match in phonenumbers.PhoneNumberMatcher(said, region, leniency=leniency):
                if match.start <= 1 and match.end == len(said):
                    return str(phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164))
        return None


@cache
def _looks_within(region: str) -> "re.Pattern[str]":
    metadata = _metadata(region, phonenumbers.country_code_for_region(region))
    abroad = metadata.international_prefix
    return re.compile(_form(metadata) + (rf"|(?:{abroad})[1-9]\d{{6,}}" if abroad else ""))


def _metadata(region: str, code: int) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    assert metadata is not None  # the library has the plan of every country that it lists
    return metadata


def _form(metadata: PhoneMetadata) -> str:
    """Return what digits of a number look like, with or without what is dialled first within the country."""
    described = metadata.general_desc
    assert described is not None  # nor is there a plan without this
    assert described.national_number_pattern
    general = f"(?:{described.national_number_pattern})"
    first = metadata.national_prefix_for_parsing
    # Where a country has what is dialled first rewritten, the whole number may stand there.
    rest = f"{general}?" if metadata.national_prefix_transform_rule else general
    return f"{general}|(?:{first}){rest}" if first else general
