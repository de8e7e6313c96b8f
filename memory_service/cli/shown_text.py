"""Texts of others on a terminal: what could steer it, or hide something from the eye, is spelt out."""

import json
import re
from typing import Any

STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed, escape and the eight-bit ones among them
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    r"\u2028\u2029\ud800-\udfff"  # line breaks that are none in a pipe; halves of characters, which cannot be encoded
    r"\U000e0000-\U000e007f]"  # tags, invisible everywhere
)


def block(text: str) -> str:
    r"""Return a text of several lines that a terminal shows and does not obey.

    >>> block("a" + chr(27) + "[2Jb\r\nc")
    'a\\x1b[2Jb\nc'
    """
    return STEERING.sub(_spelt, text.replace("\r\n", "\n"))


def line(text: str) -> str:
    r"""Return a text on one line, harmless as ``block``.

    >>> line("one\n\n  two")
    'one two'
    """
    return block(" ".join(text.split()))


def json_text(value: Any, *, indent: int | None = None, encoding: str | None = None) -> str:
    r"""Return a value as JSON that is harmless on a terminal, fits an encoding, and is the same value to a program.

    >>> json_text({"a": "é" + chr(0x9B) + chr(0x202E)})
    '{"a": "é\\u009b\\u202e"}'
    """
    # What a stream of another encoding spells out by itself is no JSON.
    ascii_only = encoding is not None and not encoding.lower().startswith("utf")
    return STEERING.sub(
        lambda found: json.dumps(found[0])[1:-1], json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    )


def _spelt(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
