"""From a file to its text."""

from memory_service.analysis.documents.extracted import Extracted, checked
from memory_service.analysis.documents.kinds import Kind, decode
from memory_service.analysis.documents.plain import read_plain


def read(file: bytes, kind: Kind, mime_type: str | None = None) -> Extracted:
    """Return the text of a file with its blocks.

    The libraries are imported when they are needed: a process that reads no documents does not carry them.

    >>> read("Grüße".encode(), Kind.TEXT).text
    'Grüße'

    Raises:
        Unreadable: there is no text in it, too much, or it cannot be read.
    """
    if kind is Kind.PDF:
        from memory_service.analysis.documents.pdf import read_pdf

        return checked(read_pdf(file))
    text = decode(file, kind, mime_type)
    if kind is Kind.HTML:
        from memory_service.analysis.documents.html import read_html

        return checked(read_html(text))
    if kind is Kind.MARKDOWN:
        from memory_service.analysis.documents.markdown import read_markdown

        return checked(read_markdown(text))
    return checked(read_plain(text))
