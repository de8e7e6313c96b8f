"""Context: what a search found, packed into a prompt within a budget of tokens, every line cited."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from memory_service.analysis.attribution import begins_with
from memory_service.storage.sql import Row
from retrieval.packing import Order, Passage, pack
from retrieval.request import CountTokens
from retrieval.results import Result
from retrieval.standing import standing_of


@dataclass(frozen=True, slots=True)
class Cited:
    """One line of a context: its marker, what it says, and the verbatim span of the memory it shows."""

    marker: str
    memory_id: UUID
    heading: str  # date and speaker, as far as known
    text: str
    span: tuple[int, int]
    role: str | None

    @property
    def line(self) -> str:
        """Return the line as a prompt shows it."""
        return f"{self.marker} {self.heading}{self.text}"


@dataclass(frozen=True, slots=True)
class Context:
    """Memories packed for a prompt; `tokens` counts the whole text."""

    lines: tuple[Cited, ...]
    text: str
    tokens: int
    prefix_hash: str


def heading(row: Row) -> str:
    """Return when a memory was observed, until when it was true, whether another took its place, and who said it."""
    noted = [_day(row["observed_at"])]
    if row["superseded_by"] is not None:
        noted.append("outdated")
    if row["valid_to"] is not None:
        noted.append(f"until {_day(row['valid_to'])}")
    speaker = row["speaker"] or row["role"]
    named = speaker and not begins_with(row["content"], speaker)
    return f"({', '.join(noted)}) " + (f"{speaker}: " if named else "")


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B} {moment.year}"


def build_context(results: Sequence[Result], *, budget: int, order: Order, count: CountTokens) -> Context:
    """Pack results into at most `budget` tokens.

    Whole memories are chosen from the best down. When the best does not fit, as much of its beginning as does is shown, cut at
    a space, within half of the budget where others fit beside it. The finished text is counted once more, so joins between
    lines cannot push it over the budget.

    Args:
        results: what a search found, best first.
        budget: tokens that the text may have.
        order: how the chosen lines stand.
        count: counts the tokens of each of some texts.
    """
    by_id = {result.found.id: result for result in results}
    # The marker's number is not known yet; three digits are the longest there is.
    drafts = [f"[{len(results)}] {heading(r.row)}{r.row['content']}\n" for r in results]
    costs = count(drafts) if drafts else []
    ranked = [
        Passage(
            id=r.found.id,
            text=r.row["content"],
            tokens=cost,
            observed_at=r.row["observed_at"],
            standing=standing_of(r.row),
        )
        for r, cost in zip(results, costs, strict=True)
    ]
    whole = pack(ranked, budget=budget, order=order)
    chosen = list(whole.passages)
    if not chosen and results:
        return _context(_only_a_part(results[0], budget=budget, count=count), count)
    if ranked and ranked[0] in whole.left_out:
        part = _only_a_part(results[0], budget=budget // 2, count=count)
        if part:
            ranked[0] = replace(
                ranked[0], text=part[0].text, tokens=count([f"[{len(results)}] {part[0].heading}{part[0].text}\n"])[0]
            )
            chosen = list(pack(ranked, budget=budget, order=order).passages)
    while True:
        lines = tuple(
            Cited(
                marker=f"[{number}]",
                memory_id=passage.id,
                heading=heading(by_id[passage.id].row),
                text=passage.text,
                span=(0, len(passage.text)),
                role=by_id[passage.id].row["role"],
            )
            for number, passage in enumerate(chosen, start=1)
        )
        context = _context(lines, count)
        if context.tokens <= budget:
            return context
        worst = max(chosen, key=lambda passage: by_id[passage.id].rank)
        chosen.remove(worst)


def _only_a_part(result: Result, *, budget: int, count: CountTokens) -> tuple[Cited, ...]:
    """Return the longest beginning of one memory that fits, found by halving; nothing where no word of it does."""
    content = result.row["content"]

    def cut(length: int) -> tuple[Cited, ...]:
        end = length if length == len(content) else max(content.rfind(" ", 0, length), 0) or length
        shown = content[:end].rstrip()
        line = Cited("[1]", result.found.id, heading(result.row), shown, (0, len(shown)), result.row["role"])
        return (line,) if shown else ()

    low, high = 0, len(content)
    while low < high:
        middle = (low + high + 1) // 2
        if _context(cut(middle), count).tokens <= budget:
            low = middle
        else:
            high = middle - 1
    return cut(low)


def _context(lines: tuple[Cited, ...], count: CountTokens) -> Context:
    text = "\n".join(line.line for line in lines)
    tokens = count([text])[0] if lines else 0
    return Context(lines=lines, text=text, tokens=tokens, prefix_hash=hashlib.sha256(text.encode()).hexdigest())
