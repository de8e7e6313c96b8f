"""What an agent needs to work on one task: the way down to it, outcomes it may build on, and nothing of what was undone."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from memory_service.types import TaskStatus

Row: TypeAlias = Mapping[Any, Any]
CountTokens = Callable[[Sequence[str]], list[int]]

FOLDED: Final = 1_000  # characters of an output that nobody gave an outcome, and of what an ancestor is about
_RESULTS: Final = (TaskStatus.SUCCEEDED, TaskStatus.FAILED)  # what was learned; an end without one has nothing to show


class Kind(StrEnum):
    """Why a line stands in the context of a task."""

    PATH = "path"
    TASK = "task"
    DEPENDENCY = "dependency"
    SIBLING = "sibling"
    STEP_DONE = "step_done"
    STEP_OPEN = "step_open"
    MEMORY = "memory"


# What goes in first when there is not room for all, and how its line begins.
_FIRST: Final = {
    Kind.TASK: 0,
    Kind.PATH: 1,
    Kind.DEPENDENCY: 2,
    Kind.STEP_OPEN: 3,
    Kind.STEP_DONE: 4,
    Kind.SIBLING: 5,
    Kind.MEMORY: 6,
}
_WORDS: Final = {
    Kind.PATH: "Part of",
    Kind.TASK: "Task",
    Kind.DEPENDENCY: "Needs",
    Kind.SIBLING: "Done before",
    Kind.STEP_DONE: "Done in it",
    Kind.STEP_OPEN: "Step",
    Kind.MEMORY: "Memory",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a context: of which task or memory, and what it says."""

    kind: Kind
    id: UUID
    status: str | None  # of a task
    text: str
    nearness: int  # within its kind, 0 first
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a task, as rows."""

    path: Sequence[Row]  # the root first
    task: Row
    dependencies: Sequence[Row]
    siblings: Sequence[Row]  # the newest first
    children: Sequence[Row]  # the newest first


@dataclass(frozen=True, slots=True)
class TaskContext:
    """Lines within a budget; `left_out` counts those for which there was no room."""

    lines: tuple[Line, ...]
    text: str
    tokens: int
    left_out: int


def lines_about(around: Surroundings) -> list[Line]:
    """Return the lines about a task in the order in which they stand.

    What was replaced, rolled back or cancelled is left out: its values are stale. A dependency is named all the same, since
    the task waits for it. Of what is closed only the outcome shows, never what lies below it.
    """
    lines = []
    for number, row in enumerate(around.path):
        word = "Goal" if number == 0 else _WORDS[Kind.PATH]
        lines.append(_line(Kind.PATH, row, f"{word}: {row['title']}", row["input"], nearness=len(around.path) - number))
    task = around.task
    lines.append(_line(Kind.TASK, task, f"{_WORDS[Kind.TASK]}: {task['title']}", task["input"], most=None))
    named = {row["id"] for row in around.dependencies}
    lines += [_outcome(Kind.DEPENDENCY, row, number) for number, row in enumerate(around.dependencies)]
    for kind, rows in ((Kind.SIBLING, around.siblings), (Kind.STEP_DONE, around.children)):
        done = [row for row in rows if row["status"] in _RESULTS and row["id"] not in named]
        lines += reversed([_outcome(kind, row, number) for number, row in enumerate(done)])
    steps = [row for row in around.children if row["status"] in (TaskStatus.OPEN, TaskStatus.RUNNING)]
    # The oldest first: that is the order in which they were planned.
    lines += [_outcome(Kind.STEP_OPEN, row, number) for number, row in enumerate(reversed(steps))]
    return lines


def memory_line(memory_id: UUID, text: str, rank: int) -> Line:
    """Return the line of a memory that was found for a task."""
    return Line(Kind.MEMORY, memory_id, None, f"{_WORDS[Kind.MEMORY]}: {text}", rank)


def build(lines: Sequence[Line], *, budget: int, count: CountTokens) -> TaskContext:
    """Choose lines until the budget is spent, the task itself first; what is chosen keeps its order.

    Args:
        lines: in the order in which they are to stand.
        budget: tokens that the text may have.
        count: counts the tokens of each of some texts.
    """
    costs = count([f"{line.text}\n" for line in lines]) if lines else []
    wanted = sorted(range(len(lines)), key=lambda at: (_FIRST[lines[at].kind], lines[at].nearness))
    chosen: list[int] = []
    spent = 0
    for at in wanted:
        if spent + costs[at] <= budget:
            chosen.append(at)
            spent += costs[at]
        elif lines[at].kind is Kind.TASK:
            return _only_a_part(lines[at], others=len(lines) - 1, budget=budget, count=count)
    while True:
        shown = tuple(lines[at] for at in sorted(chosen))
        text = "\n".join(line.text for line in shown)
        tokens = count([text])[0] if shown else 0
        if tokens <= budget or not chosen:
            return TaskContext(shown, text, tokens, len(lines) - len(shown))
        # The joins between lines cost more than was reckoned.
        chosen.pop()


def _only_a_part(line: Line, *, others: int, budget: int, count: CountTokens) -> TaskContext:
    """Show the longest beginning of a line that fits, found by halving."""
    low, high = 0, len(line.text)
    while low < high:
        middle = (low + high + 1) // 2
        if count([line.text[:middle]])[0] <= budget:
            low = middle
        else:
            high = middle - 1
    text = line.text[:low]
    if not text:
        return TaskContext((), "", 0, others + 1)
    cut = Line(line.kind, line.id, line.status, text, line.nearness, cut=True)
    return TaskContext((cut,), text, count([text])[0], others)


def _outcome(kind: Kind, row: Row, nearness: int) -> Line:
    """Return what a task came to, or that it has not ended."""
    said = None
    if row["status"] in _RESULTS:
        said = row["outcome"] or row["output"]
    return _line(kind, row, f"{_WORDS[kind]} [{row['status']}]: {row['title']}", said, nearness=nearness)


def _line(kind: Kind, row: Row, head: str, value: Any, *, nearness: int = 0, most: int | None = FOLDED) -> Line:
    said = as_text(value)
    cut = most is not None and len(said) > most
    shown = f"{said[:most].rstrip()}…" if cut else said
    return Line(kind, row["id"], row["status"], f"{head}: {shown}" if shown else head, nearness, cut)


def as_text(value: Any) -> str:
    """Return a value of a task as a prompt shows it.

    >>> as_text("plain"), as_text({"a": 1}), as_text(None)
    ('plain', '{"a": 1}', '')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
