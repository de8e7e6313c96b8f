r"""Find the JSON object in what a model said: past reasoning, code fences and chatter. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

_CLOSED: Final = re.compile(r"</(?:think|thinking|reasoning|thought)>", re.IGNORECASE)
_OPENED: Final = re.compile(r"<(?:think|thinking|reasoning|thought)>", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]")
_TRIES: Final = 50  # braces to begin at; chatter has few


class UnreadableReply(ValueError):
    """There is no JSON object in the reply that could be used."""


def object_in(text: str) -> dict[str, Any]:
    r"""Return the JSON object of a reply.

    Text up to the end of a reasoning block is left out, also where the model's template swallowed its opening tag; of an
    unfinished one nothing is used, since a draft is no answer.

    >>> object_in('<think>Maybe {"a": 1}?</think>\n```json\n{"a": 2}\n```')
    {'a': 2}
    >>> object_in('Sure! Here it is: {"a": "</think>"} Anything else?')
    {'a': '</think>'}
    >>> object_in('<think>Perhaps {"a": 1}')
    Traceback (most recent call last):
    memory_service.chat_model.reply_text.UnreadableReply: there is no JSON object in it

    Raises:
        UnreadableReply: There is none, or it holds what cannot be stored.
    """
    for part in _parts(text):
        found = _first_object(part)
        if found is not None:
            cleaned: dict[str, Any] = _cleaned(found)
            return cleaned
    raise UnreadableReply("there is no JSON object in it")


def storable(text: str) -> str:
    r"""Return a raw reply as a database can hold it: what is no character is spelled out.

    >>> storable("a\x00b\ud800")
    'a\\x00b\\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def _parts(text: str) -> Iterator[str]:
    """Give what may be the answer, the likeliest first."""
    whole = text.strip()
    if whole.startswith("{"):
        yield whole
    # From the last on: what is quoted inside the answer does not parse, so the end of the reasoning is found.
    ends = [found.end() for found in _CLOSED.finditer(text)]
    for end in reversed(ends):
        yield text[end:]
    begins = _OPENED.search(text)
    if begins is None:
        yield text
    elif not ends:
        yield text[: begins.start()]


def _first_object(text: str) -> dict[str, Any] | None:
    # Small models, and decoders that hold them to a schema, put line breaks into strings as they are.
    decoder = json.JSONDecoder(parse_constant=_refuse, strict=False)
    start = text.find("{")
    for _ in range(_TRIES):
        if start < 0:
            return None
        try:
            found, _end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        return found if isinstance(found, dict) else None
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _cleaned(value: Any) -> Any:
    """Return a value with a space for each control character.

    Raises:
        UnreadableReply: A string of it cannot be held by a database.
    """
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise UnreadableReply("it holds a character that cannot be stored")
        return _CONTROL.sub(" ", value)
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(of) for name, of in value.items()}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value
