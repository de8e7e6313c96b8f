"""What states number their people by, where the number proves itself; numbers without a check digit are not looked for. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

from memory_service.redaction.found import Found
from memory_service.redaction.numbers import passes_luhn

_MOD_23: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_MOD_31: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ODD_PLACES: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
         25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def _es(said: str) -> bool:
    """DNI and NIE: the letter is the remainder of 23."""
    number = said[:-1].translate(str.maketrans("XYZ", "012"))
    return said[-1] == _MOD_23[int(number) % 23]


def _it(said: str) -> bool:
    """Codice fiscale: the last letter is a sum over places."""
    total = sum(_ODD_PLACES[c] for c in said[0:15:2]) + sum(
        int(c, 36) - (10 if c.isalpha() else 0) for c in said[1:15:2]
    )
    return said[15] == chr(ord("A") + total % 26)


def _fr(said: str) -> bool:
    """NIR: the last two digits make it a multiple of 97; Corsica counts as 19 and 18."""
    number = said[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(said[13:])


def _br(said: str) -> bool:
    """CPF: two weighted sums; one digit repeated proves itself and is nobody's."""
    digits = [int(c) for c in said]
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        rest = sum(d * w for d, w in zip(digits, range(length + 1, 1, -1), strict=False)) * 10 % 11 % 10
        if rest != digits[length]:
            return False
    return True


def _day(year: str, month: str, day: str) -> bool:
    try:
        date(2000 + int(year), int(month), int(day))  # 2000 was a leap year
    except ValueError:
        return False
    return True


def _se(said: str) -> bool:
    """Personnummer: a day, and Luhn over ten digits."""
    return _day(said[0:2], said[2:4], said[4:6]) and passes_luhn(said)


def _fi(said: str) -> bool:
    """Henkilötunnus: a day, and the remainder of 31."""
    number = int(said[0:6] + said[7:10])
    return _day(said[4:6], said[2:4], said[0:2]) and said[10] == _MOD_31[number % 31]


def _pl(said: str) -> bool:
    """PESEL: a day whose month tells the century, and a weighted sum."""
    total = sum(int(d) * w for d, w in zip(said, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=False))
    return _day(said[0:2], str(int(said[2:4]) % 20), said[4:6]) and (10 - total % 10) % 10 == int(said[10])


_FORMS: Final[Mapping[str, tuple[str, Callable[[str], bool]]]] = {
    "BR": (r"\d{3}\.\d{3}\.\d{3}-\d{2}", _br),  # eleven bare digits are too much else
    "ES": (r"(?:\d{8}|[XYZ]-?\d{7})-?[A-Z]", _es),
    "FI": (r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", _fi),
    "FR": (r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", _fr),
    "IT": (r"[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", _it),
    "PL": (r"\d{11}", _pl),
    "SE": (r"(?:19|20)?\d{6}[-+]\d{4}", _se),
}
COUNTRIES: Final = frozenset(_FORMS)
# Every form is a run of capitals and digits with single signs between them; where there is none, nothing else is looked for.
_RUN: Final = re.compile(r"[0-9A-Z](?:[ .+-]?[0-9A-Z]){8,}")
_SIGNS: Final = str.maketrans("", "", " .-+")


class NationalIdFinder:
    """Finds the numbers of some countries; without any, of all it knows."""

    def __init__(self, regions: tuple[str, ...] = ()) -> None:
        """Compile what numbers of these countries look like."""
        self._looks = tuple(
            (
                country,
                re.compile(rf"(?<![A-Za-z0-9+])(?<![0-9][.-])(?:{_FORMS[country][0]})(?![A-Za-z0-9]|[.-]\d)", re.ASCII),
            )
            for country in (regions or sorted(COUNTRIES))
        )

    def __call__(self, text: str) -> Iterator[Found]:
        """Yield numbers whose check digits are right.

        >>> said = "12345678Z 12345678A RSSMRA85T10A562S 131052-308T 811228-9874 44051401359 529.982.247-25 111.111.111-11"
        >>> [f.value for f in NationalIdFinder()(said)]
        ['52998224725', '12345678Z', '131052-308T', 'RSSMRA85T10A562S', '44051401359', '8112289874']
        >>> [f.value for f in NationalIdFinder(("FR",))("2 55 08 14 168 025 38, 12345678Z")]
        ['255081416802538']
        """
        for run in _RUN.finditer(text):
            for country, looks in self._looks:
                # Two more, so that what follows the run is seen.
                for match in looks.finditer(text, run.start(), run.end() + 2):
                    said = match.group()
                    value = said if country == "FI" else said.translate(_SIGNS)
                    if country == "SE":
                        value = value[-10:]
                    if _FORMS[country][1](value):
                        yield Found(match.start(), match.end(), value)
