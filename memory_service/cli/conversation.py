"""The conversation and the questions that ship in ``examples/``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from memory_service.cli.connection import CHECKOUT
from memory_service.cli.failures import InputUnusable

EXAMPLES = CHECKOUT / "examples"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation."""

    external_id: str
    session_id: str
    observed_at: str
    role: str
    name: str
    content: str


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question with the turns that answer it; none when the conversation does not say."""

    id: str
    kind: str
    question: str
    answer: str
    expected: tuple[str, ...]


def read_turns(folder: Path = EXAMPLES) -> list[Turn]:
    """Return the conversation in its order.

    Raises:
        InputUnusable: the file is missing or damaged.
    """
    try:
        with (folder / "conversation.jsonl").open(encoding="utf-8") as lines:
            return [Turn(**json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise _unusable("conversation.jsonl", error) from error


def read_questions(folder: Path = EXAMPLES) -> list[DemoQuestion]:
    """Return the questions in their order.

    Raises:
        InputUnusable: the file is missing or damaged.
    """
    try:
        stored = json.loads((folder / "questions.json").read_text(encoding="utf-8"))["questions"]
        return [DemoQuestion(**{**item, "expected": tuple(item["expected"])}) for item in stored]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unusable("questions.json", error) from error


def sessions(turns: list[Turn]) -> Iterator[tuple[str, list[Turn]]]:
    """Yield each session's id with its turns."""
    for session_id, members in groupby(turns, key=lambda turn: turn.session_id):
        yield session_id, list(members)


def _unusable(name: str, error: Exception) -> InputUnusable:
    return InputUnusable(
        f"examples/{name} cannot be read: {error}",
        hint="The demo runs from a checkout of the repository, which carries the examples folder.",
    )
