"""Recognise what a message repeats of memories that were just recalled: an echo is no second witness.

Agents paste what `/v1/context` and `/v1/search` answered into their messages. Told from the words alone, such a message
looks like new evidence for everything it quotes; three rounds later a store is full of copies. So a text is compared with
the memories that searches of its namespace recalled a short while before:

* lines in the form of our own context (`[3] (8 May 2023) Ana: …`) are recalled, whatever stands in them;
* so is a whole memory of at least `MIN_WORDS` words that stands in the text, and a line that is nothing but a memory of
  at least `MIN_LINE_WORDS`.

What is recalled is blanked before anything is drawn from the text; a text that is (nearly) nothing else is an echo.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

MIN_WORDS: Final = 8  # shorter sentences are said twice by chance
MIN_LINE_WORDS: Final = 4  # of a memory that fills a line
WHOLE: Final = 0.8  # of its words, from where on a text is an echo
PLACES_TRIED: Final = 64  # where a memory may begin in a text: a text of one word over and over has thousands
REPEATING_ROLES: Final = frozenset({"assistant", "tool", "system"})  # what a user says again is said again

_WORD: Final = re.compile(r"\w+")
# Number, date and speaker as retrieval/context.py writes them; the line may be quoted or indented.
_LINE: Final = re.compile(r"^[ \t>*-]*\[\d{1,3}\] \(\d{1,2} \w+ \d{1,4}\) ", re.MULTILINE)
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n")
_LEAD: Final = re.compile(r"(?:[ \t>*•-]|\d{1,3}[.)] |\[\d{1,3}\] |\(\d{1,2} \w+ \d{1,4}\) |\d{4}-\d\d-\d\d\S* )*")
_SPEAKER: Final = re.compile(r"[^\n:]{1,40}: ")


@dataclass(frozen=True, slots=True)
class Known:
    """A memory that was recalled: what it says, and of which memories it is an echo itself."""

    id: UUID
    words: tuple[str, ...]  # folded, cut once: it is looked for in many texts
    parents: tuple[UUID, ...] = ()  # of an echo

    @classmethod
    def of(cls, memory_id: UUID, content: str, parents: tuple[UUID, ...] = ()) -> "Known":
        """Return a memory that says `content`."""
        return cls(memory_id, tuple(word.casefold() for word in _WORD.findall(content)), parents)


@dataclass(frozen=True, slots=True)
class Echo:
    """What of a text was recalled: where, from which memories, and whether that is all there is.

    `repeats` are the memories that it quotes, `parents` those that said it first: where one of the former is an echo itself.
    """

    spans: tuple[tuple[int, int], ...] = ()  # in characters, in order, apart from one another
    parents: tuple[UUID, ...] = ()
    whole: bool = False
    repeats: tuple[UUID, ...] = ()


def may_repeat(text: str, role: str | None) -> bool:
    r"""Say whether a text is worth comparing: who wrote it repeats memories, or it has lines in the form of a context.

    >>> may_repeat("I like tea.", "user"), may_repeat("I like tea.", "assistant")
    (False, True)
    >>> may_repeat("Use this:\n[1] (8 May 2023) Ana: I like tea.", "user")
    True
    """
    return (role or "").lower() in REPEATING_ROLES or _LINE.search(text) is not None


def find_recalled(text: str, known: Sequence[Known], *, role: str | None) -> Echo:
    """Return what of a text repeats recalled memories.

    Args:
        text: a message.
        known: what searches of its namespace recalled before it was written.
        role: who wrote it. A user's own words are taken as said anew, unless they stand in lines of a context.

    >>> said = "I only drink green tea in the morning since my stay in Kyoto."
    >>> tea = Known.of(UUID(int=1), said)
    >>> find_recalled(f"[1] (8 May 2023) Ana: {said}", [tea], role="user")  # doctest: +ELLIPSIS
    Echo(spans=((0, 83),), parents=(UUID('...1'),), whole=True, repeats=(UUID('...1'),))
    >>> find_recalled(said, [tea], role="user")
    Echo(spans=(), parents=(), whole=False, repeats=())
    """
    pasted = _pasted_answer(text)
    if pasted is not None:
        ids = {memory.id for memory in known}
        shown = [i for i in pasted if i in ids]
        return Echo(((0, len(text)),), _roots(shown, known), whole=bool(shown), repeats=tuple(shown))
    words = [(match.start(), match.end()) for match in _WORD.finditer(text)]
    folded = tuple(text[start:end].casefold() for start, end in words)
    repeats = (role or "").lower() in REPEATING_ROLES
    lines = _context_lines(text)
    spans: list[tuple[int, int]] = list(lines)
    found: list[UUID] = []
    index = _starts(folded)
    for memory in known:
        wanted = memory.words
        for at in _occurrences(folded, wanted, index):
            start, end = words[at][0], words[at + len(wanted) - 1][1]
            in_context = any(low <= start < high for low, high in lines)
            if in_context or (repeats and (len(wanted) >= MIN_WORDS or _fills_line(text, start, end, len(wanted)))):
                spans.append(_with_stop(text, start, end))
                found.append(memory.id)
    spans = _joined(spans)
    parents = _roots(found, known)
    blanked = own_words(text, spans)
    whole = bool(parents) and len(_WORD.findall(blanked)) <= (1 - WHOLE) * len(words)
    if whole and repeats:
        spans = [(0, len(text))]  # What is left is a heading, a name, a "here is what I know".
    return Echo(tuple(spans), parents, whole, tuple(dict.fromkeys(found)))


def own_words(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with spans blanked: what is found in it stands where it stood.

    >>> own_words("He said: I like tea. Fine.", [(9, 20)])
    'He said:             Fine.'
    """
    characters = list(text)
    for start, end in spans:
        characters[start:end] = " " * (end - start)
    return "".join(characters)


def _context_lines(text: str) -> list[tuple[int, int]]:
    """Return where lines of a context stand: each from its marker to the next, or to the first blank line."""
    starts = [match.start() for match in _LINE.finditer(text)]
    found = []
    for start, following in zip(starts, [*starts, len(text)][1:], strict=True):
        blank = _BLANK_LINE.search(text, start, following)
        # A memory may hold line breaks itself; behind the last line of a context anything may follow.
        end = blank.start() if blank else following
        if following == len(text) and not blank:
            line_end = text.find("\n", start)
            end = following if line_end < 0 else line_end
        found.append((start, len(text[:end].rstrip())))
    return found


def _starts(folded: Sequence[str]) -> dict[tuple[str, ...], list[int]]:
    """Return where every three words stand, and every two and one for texts that are shorter."""
    index: dict[tuple[str, ...], list[int]] = {}
    for at in range(len(folded)):
        for size in (1, 2, 3):
            if at + size <= len(folded):
                index.setdefault(tuple(folded[at : at + size]), []).append(at)
    return index


def _occurrences(
    folded: tuple[str, ...], wanted: tuple[str, ...], index: dict[tuple[str, ...], list[int]]
) -> Iterable[int]:
    size = len(wanted)
    if size:
        for at in index.get(wanted[:3], [])[:PLACES_TRIED]:
            if folded[at : at + size] == wanted:
                yield at


def _fills_line(text: str, start: int, end: int, size: int) -> bool:
    """Say whether nothing but a marker, a date and a speaker stands beside a span on its lines."""
    if size < MIN_LINE_WORDS:
        return False
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    before, after = text[line_start:start], text[end : line_end if line_end >= 0 else len(text)]
    rest = _LEAD.sub("", before, count=1)
    return (not rest or _SPEAKER.fullmatch(rest) is not None) and _WORD.search(after) is None


def _with_stop(text: str, start: int, end: int) -> tuple[int, int]:
    """Let a span take in the punctuation that ends it."""
    while end < len(text) and text[end] in ".!?…\"'”’)":
        end += 1
    return start, end


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _roots(found: Iterable[UUID], known: Sequence[Known]) -> tuple[UUID, ...]:
    """Return the memories that were said first: instead of an echo, what it repeats."""
    parents_of = {memory.id: memory.parents for memory in known}
    return tuple(sorted({root for i in found for root in (parents_of.get(i) or (i,))}))


def _pasted_answer(text: str) -> list[UUID] | None:
    """Return the memories that a text shows which is an answer of ours as JSON; None when it is none.

    >>> _pasted_answer('{"search_id": "x", "results": [{"memory": {"id": "00000000-0000-0000-0000-000000000001"}}]}')
    [UUID('00000000-0000-0000-0000-000000000001')]
    """
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}") and '"search_id"' in stripped):
        return None
    try:
        answer = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or not ({"results", "citations"} & answer.keys()):
        return None
    named: list[Any] = [r.get("memory") for r in _objects(answer.get("results"))]
    ids = [memory.get("id") for memory in named if isinstance(memory, dict)]
    ids += [citation.get("memory_id") for citation in _objects(answer.get("citations"))]
    return [found for i in ids if (found := _uuid(i)) is not None]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
