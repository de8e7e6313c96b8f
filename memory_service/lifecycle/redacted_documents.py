"""A posted document as it may be kept until a job reads it, and as it may be cut. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from memory_service.analysis.documents import Block, Extracted, Kind, decode, read
from memory_service.lifecycle.posted_documents import Posted
from memory_service.lifecycle.redacting import redacted_fields
from memory_service.redaction.redactor import Counts, Edit, Redactor, moved


@dataclass(frozen=True, slots=True)
class Taken:
    """A file with what its caller says of it, as the policy of its namespace has both."""

    posted: Posted
    file: bytes
    kind: Kind
    hides_instructions: bool = False  # of a page that is kept as the text that it shows
    redactor: Redactor | None = None
    counts: Mapping[str, int] = field(default_factory=dict)  # what was replaced, by rule


def taken(one: Taken, redactor: Redactor | None) -> Taken:
    """Return what may be kept of a posted file.

    Text and Markdown stay what they are. What hides its words from a look at its bytes, a PDF or a page of HTML, is read now and
    kept as the text that was found in it.

    Raises:
        InvalidRequest: a rule refuses something.
        Unreadable: it cannot be read.
    """
    if redactor is None or one.redactor is redactor:
        return replace(one, redactor=redactor)
    counts: Counts = Counter(one.counts)
    posted, hides = one.posted, one.hides_instructions
    if one.kind in {Kind.PDF, Kind.HTML}:
        found = read(one.file, one.kind, posted.mime_type)
        text, kind, hides = found.text, Kind.TEXT, hides or found.hides_instructions
        posted = replace(posted, title=posted.title or found.title)
    else:
        text, kind = decode(one.file, one.kind, posted.mime_type), one.kind
    fields = {"title": posted.title, "tags": posted.tags, "metadata": posted.metadata}
    posted = replace(posted, mime_type="text/plain; charset=utf-8", **redacted_fields(fields, redactor, counts))
    file = redactor.text(text, counts, at="/content").encode()
    return Taken(posted, file, kind, hides, redactor, dict(counts))


def redacted_text(found: Extracted, redactor: Redactor | None) -> Extracted:
    """Return what was read out of a file without what must not be stored; markup may have hidden it until now.

    Raises:
        InvalidRequest: a rule refuses something.
    """
    if redactor is None:
        return found
    counts, edits = Counts(), list[list[Edit]]()
    text = redactor.text(found.text, counts, at="/content", edits=edits)
    title = found.title if found.title is None else redactor.text(found.title, counts, at="/title")
    blocks = found.blocks
    if edits:
        places = ((moved(b.start, edits), moved(b.end, edits, end=True), b.heading) for b in found.blocks)
        # What was replaced may reach over the edge of a block: the next begins where it ends.
        made, last = [], 0
        for start, end, heading in places:
            start = max(start, last)
            if end > start:
                made.append(Block(start, end, heading))
                last = end
        blocks = tuple(made)
    return Extracted(text, blocks, title, found.hides_instructions)
