"""Precise edits of a text: add a line, or put a passage in the place of one that is quoted exactly."""

from memory_service.errors import Conflict


def appended(text: str, addition: str) -> str:
    r"""Add a text at the end, on a line of its own.

    >>> appended("Likes tea.", "Lives in Lisbon."), appended("", "Likes tea.")
    ('Likes tea.\nLives in Lisbon.', 'Likes tea.')
    """
    return f"{text}\n{addition}" if text and not text.endswith("\n") else text + addition


def replaced(text: str, old: str, new: str) -> str:
    """Put one passage in the place of another, which must occur exactly once, counting overlaps.

    >>> replaced("Likes tea. Lives in Lisbon.", "tea", "coffee")
    'Likes coffee. Lives in Lisbon.'

    Raises:
        Conflict: it does not occur (``passage_not_found``), or more than once (``passage_ambiguous``).
    """
    at = text.find(old)
    if at < 0:
        raise Conflict(
            "The passage to replace does not occur in the block; read it again and quote it exactly.",
            code="passage_not_found",
        )
    if text.find(old, at + 1) >= 0:
        raise Conflict(
            "The passage to replace occurs more than once; quote more of what stands around it.",
            code="passage_ambiguous",
        )
    return text[:at] + new + text[at + len(old) :]
