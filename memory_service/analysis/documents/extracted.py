"""What was read out of a file: its text, and the blocks that the text is made of."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 4 << 20  # about eight long novels; one worker encodes it in a few minutes

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


class Unreadable(Exception):
    """No text could be read out of a file; `code` is for programs, the message for people."""

    def __init__(self, detail: str, *, code: str) -> None:
        """Keep both."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, a list, a piece of code: a span of the text that is one thing to its reader."""

    start: int
    end: int
    heading: int = 0  # its level from 1, 0 for what is no heading


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a document, its blocks in order, the title it gives itself.

    `hides_instructions` says that it talks to models where its readers do not see it; such text is not part of `text`.
    """

    text: str
    blocks: tuple[Block, ...]
    title: str | None = None
    hides_instructions: bool = False


def storable(text: str) -> str:
    """Return a text without what Postgres cannot store: NUL and halves of surrogate pairs, as broken fonts make them.

    >>> storable("a" + chr(0) + "b" + chr(0xD800))
    'ab'
    """
    return _UNSTORABLE.sub("", text)


def shows_nothing(text: str) -> bool:
    """Say whether a text has no visible character.

    >>> shows_nothing(" " + chr(0x200B)), shows_nothing("a")
    (True, False)
    """
    return all(unicodedata.category(character) in _INVISIBLE for character in text)


def checked(found: Extracted) -> Extracted:
    """Return what was read, if there is something and not too much of it.

    Raises:
        Unreadable: `no_text` or `document_too_large`.
    """
    if shows_nothing(found.text):
        raise Unreadable(
            "There is no text in this document. A scanned page is a picture: run it through OCR first.", code="no_text"
        )
    if len(found.text) > MAX_CHARACTERS:
        raise Unreadable(
            f"The document holds more than {MAX_CHARACTERS:,} characters of text; post it in parts, a chapter each.",
            code="document_too_large",
        )
    return found
