"""JSON out of a file that somebody else wrote: an object, each name in it once, or a sentence."""

import json
import math
from typing import Any

from memory_service.activation.errors import BlobRefused


def parse_object(text: bytes | str, what: str) -> dict[str, Any]:
    """Return an object of JSON; `what` begins the sentence where it is none.

    >>> parse_object('{"a": [1, 2.5]}', "the header")
    {'a': [1, 2.5]}
    >>> parse_object('{"a": 1e999}', "the header")
    Traceback (most recent call last):
    memory_service.activation.errors.BlobRefused: the header holds a number that is none of 64 bits

    Raises:
        BlobRefused: it is no JSON, no object, names something twice, nests without end, or holds a number past all reason.
    """
    try:
        found = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except BlobRefused as error:
        raise BlobRefused(f"{what} {error}") from None
    except (ValueError, RecursionError) as error:
        # ValueError as a whole: a number of thousands of digits is one that is no JSONDecodeError.
        raise BlobRefused(f"{what} is not JSON") from error
    if not isinstance(found, dict):
        raise BlobRefused(f"{what} is no object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON that names nothing twice: readers would differ in which they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BlobRefused("names something twice")
    return found


def _no_constant(name: str) -> Any:
    raise BlobRefused(f"holds {name}, which is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BlobRefused("holds a number that is none of 64 bits")
    return number
