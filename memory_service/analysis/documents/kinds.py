"""What kind of file something is: by what the caller says, checked against how it begins."""

import codecs
import re
from email.message import Message
from enum import StrEnum
from typing import Final

from memory_service.analysis.documents.extracted import Unreadable


class Kind(StrEnum):
    """The kinds of files that text is read from."""

    TEXT = "text/plain"
    MARKDOWN = "text/markdown"
    HTML = "text/html"
    PDF = "application/pdf"


_KINDS: Final = {
    "text/markdown": Kind.MARKDOWN,
    "text/x-markdown": Kind.MARKDOWN,
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "application/pdf": Kind.PDF,
    "application/x-pdf": Kind.PDF,
}
_PDF: Final = b"%PDF-"
_PDF_WITHIN: Final = 1024  # readers allow that much before the header
_HTML: Final = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--.{0,1000}?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_CHARSET: Final = re.compile(rb"<meta[^>]{1,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def kind_of(file: bytes, mime_type: str | None) -> Kind:
    """Return what kind of file this is.

    >>> kind_of(b"<!DOCTYPE html><p>Hi", None), kind_of(b"# Hi", "text/markdown; charset=utf-8")
    (<Kind.HTML: 'text/html'>, <Kind.MARKDOWN: 'text/markdown'>)

    Raises:
        Unreadable: `unsupported_mime_type`, or `mime_type_mismatch` when it plainly is something else.
    """
    if mime_type is None:
        if file.startswith(_PDF):
            return Kind.PDF
        return Kind.HTML if _HTML.match(file) else Kind.TEXT
    named = _parsed(mime_type).get_content_type()
    kind = _KINDS.get(named) or (Kind.TEXT if named.startswith("text/") else None)
    if kind is None:
        raise Unreadable(
            f"{named} cannot be read; text is read from text/plain, text/markdown, text/html and application/pdf.",
            code="unsupported_mime_type",
        )
    if kind is Kind.PDF and _PDF not in file[:_PDF_WITHIN]:
        raise Unreadable("The file says it is a PDF and is none.", code="mime_type_mismatch")
    if kind is not Kind.PDF and file.startswith(_PDF):
        raise Unreadable(f"The file says it is {named} and is a PDF.", code="mime_type_mismatch")
    return kind


def decode(file: bytes, kind: Kind, mime_type: str | None) -> str:
    r"""Return the characters of a file of text: by its byte order mark, as its type or page says, else as UTF-8.

    >>> decode(b"caf\xe9", Kind.TEXT, "text/plain; charset=latin-1")
    'café'

    Raises:
        Unreadable: `undecodable`, or `nul_character` when it holds NUL, as files do that are not text.
    """
    charset = "utf-8"
    for mark, name in _MARKS:
        if file.startswith(mark):
            file, charset = file[len(mark) :], name
            break
    else:
        named = _parsed(mime_type).get_content_charset() if mime_type else None
        if named is None and kind is Kind.HTML and (found := _CHARSET.search(file[:4096])):
            named = found[1].decode("ascii")
        charset = named or charset
    try:
        text = file.decode(codecs.lookup(charset).name)
    except (UnicodeError, LookupError, ValueError):
        raise Unreadable(
            f"The file is not text in {charset[:40]}; name its encoding, as in `text/plain; charset=latin-1`.",
            code="undecodable",
        ) from None
    if "\0" in text:
        raise Unreadable("The file holds a NUL character, so it is not text.", code="nul_character")
    return text


def _parsed(mime_type: str) -> Message:
    message = Message()
    message["content-type"] = mime_type
    return message
