"""PDF: the text of its pages, in the order of the file."""

import io
import logging
import time
from collections.abc import Callable
from typing import Final

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from memory_service.analysis.documents.extracted import MAX_CHARACTERS, Block, Extracted, Unreadable, storable
from memory_service.analysis.documents.plain import paragraphs

MAX_PAGES: Final = 5_000
MAX_SECONDS: Final = 240.0  # asked between pages

# It reports every oddity of a file, and may quote it.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read_pdf(file: bytes, *, clock: Callable[[], float] = time.monotonic) -> Extracted:
    """Return the text of a PDF, page after page.

    Raises:
        Unreadable: `encrypted_document` (it opens with a password only), `broken_document`, `document_too_large`.
    """
    try:
        reader = PdfReader(io.BytesIO(file), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _encrypted()
        return _pages(reader, deadline=clock() + MAX_SECONDS, clock=clock)
    except Unreadable:
        raise
    except PyPdfError as error:
        raise _encrypted() if "crypt" in str(error).lower() else _broken() from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, OverflowError, OSError,
            ArithmeticError, NotImplementedError, RecursionError, ImportError) as error:  # fmt: skip
        # A library that reads what anybody made raises whatever the damage leads to.
        missing = isinstance(error, ImportError) or "crypt" in str(error).lower()
        raise _encrypted() if missing else _broken() from error


def _pages(reader: PdfReader, *, deadline: float, clock: Callable[[], float]) -> Extracted:
    if len(reader.pages) > MAX_PAGES:
        raise Unreadable(
            f"The document has more than {MAX_PAGES:,} pages; post it in parts.", code="document_too_large"
        )
    parts: list[str] = []
    blocks: list[Block] = []
    length = 0
    for page in reader.pages:
        body = storable(page.extract_text()).strip()
        if clock() > deadline:
            raise Unreadable(
                f"Reading took more than {MAX_SECONDS:.0f} seconds; post it in parts.", code="document_too_large"
            )
        if not body:
            continue
        if parts:
            parts.append("\n\n")
            length += 2
        parts.append(body)
        blocks += [Block(b.start + length, b.end + length) for b in paragraphs(body, 0, len(body))]
        length += len(body)
        if length > MAX_CHARACTERS:
            break  # `checked` says so.
    named = reader.metadata.title if reader.metadata is not None else None
    return Extracted("".join(parts), tuple(blocks), storable(str(named)).strip() or None if named else None)


def _encrypted() -> Unreadable:
    return Unreadable("The PDF opens with a password only; post a copy without one.", code="encrypted_document")


def _broken() -> Unreadable:
    return Unreadable("The PDF is damaged and could not be read.", code="broken_document")
