"""Numbers that prove themselves: cards by Luhn, accounts by their remainder of 97. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from memory_service.redaction.found import Found

_DIGITS: Final = re.compile(
    r"[0-9](?:[ -]?[0-9]){12,}"
)  # begins with what is rare in texts, so that most are passed over quickly
_CARD: Final = re.compile(
    r"(?<![A-Za-z0-9])(?<!\d\.)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?![A-Za-z0-9]|\.\d)",
    re.ASCII,
)
# Whose numbers begin how, and how long they are.
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5[06-8]|6[37])\d{11,17}\Z"  # Maestro
)
_LUHN: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def passes_luhn(digits: str) -> bool:
    """Say whether the last digit follows from the others.

    >>> passes_luhn("4111111111111111"), passes_luhn("4111111111111112")
    (True, False)
    """
    total = sum(int(d) for d in digits[::-2]) + sum(_LUHN[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


def find_cards(text: str) -> Iterator[Found]:
    """Yield numbers of payment cards.

    >>> [f.value for f in find_cards("4111 1111 1111 1111, 378282246310005; order 4111111111111112, 0000000000000000")]
    ['4111111111111111', '378282246310005']
    """
    for run in _DIGITS.finditer(text):
        # Two more, so that what follows the digits is seen.
        at, end = run.start(), run.end() + 2
        while (match := _CARD.search(text, at, end)) is not None:
            digits = match.group().replace(" ", "").replace("-", "")
            found = _ISSUERS.fullmatch(digits) is not None and passes_luhn(digits)
            if found:
                yield Found(match.start(), match.end(), digits)
            # What is none may hold the beginning of one.
            at = match.end() if found else match.start() + 1


# How long the account numbers of countries are.
_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
_CHECK: Final = re.compile(r"[0-9][0-9](?=[ -]?[A-Za-z0-9]{4})")


def find_ibans(text: str) -> Iterator[Found]:
    """Yield international account numbers.

    >>> [f.value for f in find_ibans("DE89 3704 0044 0532 0130 00 and gb82WEST12345698765432, not DE89370400440532013001")]
    ['DE89370400440532013000', 'GB82WEST12345698765432']
    """
    for match in _CHECK.finditer(text):
        start = match.start() - 2
        length = _LENGTHS.get(text[start : match.start()].upper()) if start >= 0 else None
        if length is None or (start > 0 and _goes_on(text[start - 1])):
            continue
        taken, at = list(text[start : match.end()]), match.end()
        while len(taken) < length and at < len(text):
            character = text[at]
            if _goes_on(character):
                taken.append(character)
            elif character not in " -" or not _goes_on(text[at - 1]):
                break
            at += 1
        if len(taken) < length or (at < len(text) and _goes_on(text[at])):
            continue
        number = "".join(taken).upper()
        if int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1:
            yield Found(start, at, number)


def _goes_on(character: str) -> bool:
    """Say whether a character could be part of an account number; a letter of another script stands beside it, as a space does."""
    return character.isascii() and character.isalnum()
