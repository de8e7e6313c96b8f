"""What everybody is given: the same texts in the same order, and the same questions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.datasets import Conversation, Question, read_conversations
from benchmarks.loading import LoadReport, memories
from benchmarks.synthetic import questions as invented_questions

WARM_UP_QUERIES = 3
"""Asked of every conversation before its questions and not measured: the first search of a conversation may load it."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation: a namespace of its own for everybody."""

    namespace: str
    """Without full stops, which LangGraph does not take."""
    conversation: str
    items: tuple[dict[str, Any], ...]
    """Batch items of the service; a peer gets ``plain`` of each."""
    questions: tuple[Question, ...]
    warm_up: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The conversations of one file."""

    name: str
    talks: tuple[Talk, ...]
    oddities: LoadReport = field(compare=False)
    """What was not given exactly as the file has it, to everybody alike."""

    def first(self, conversations: int | None) -> Sequence[Talk]:
        """Return the first conversations, all without a number."""
        return self.talks[:conversations]


def read_dataset(path: Path, *, limit: int | None, number: int = 0) -> Dataset:
    """Read the conversations of a file.

    Args:
        path: the file.
        limit: at most so many conversations.
        number: of the file in this run, which keeps namespaces of files with one name apart.

    Raises:
        InputUnusable: the file is missing, damaged, or in no known form.
    """
    report = LoadReport()
    talks = tuple(
        _talk(conversation, place=place, label=f"{path.stem}-{number}", report=report)
        for place, conversation in enumerate(read_conversations(path, limit=limit))
    )
    return Dataset(name=path.stem, talks=talks, oddities=report)


def _talk(conversation: Conversation, *, place: int, label: str, report: LoadReport) -> Talk:
    items = memories(conversation.documents, conversation=conversation.id, report=report)
    return Talk(
        namespace=re.sub(r"[^A-Za-z0-9_-]", "-", f"{label}-{place}-{conversation.id}")[:100],
        conversation=conversation.id,
        items=tuple(items),
        questions=conversation.questions,
        warm_up=tuple(invented_questions(WARM_UP_QUERIES, seed=place)),
    )


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """Return a batch item as a peer gets it: one text that says the date and the speaker too.

    The date stands as LoCoMo writes it, with the time of day: MiniLM finds more by that than by the day alone (recall@10
    of the floor 47.3 against 42.9 on two conversations), so peers get the better of the two. A role such as "user" is
    no speaker and says nothing about who spoke.

    >>> plain({"content": "Hello", "external_id": "1", "session_id": "s", "speaker": "Ann",
    ...        "observed_at": "2023-05-08T13:56:02+00:00"})["text"]
    '[1:56 pm on 8 May, 2023] Ann: Hello'
    >>> plain({"content": "Hello", "external_id": "1", "session_id": "s", "role": "user"})["text"]
    'Hello'
    """
    said_at, speaker = item.get("observed_at"), item.get("speaker", "")
    date = f"[{_date(datetime.fromisoformat(said_at))}] " if said_at else ""
    return {
        "id": item["external_id"],
        "text": f"{date}{speaker}: {item['content']}" if speaker else f"{date}{item['content']}",
        "session": item["session_id"],
        "speaker": speaker or item.get("role", ""),
        "said_at": said_at,
    }


def _date(moment: datetime) -> str:
    half = "am" if moment.hour < 12 else "pm"
    return f"{moment.hour % 12 or 12}:{moment:%M} {half} on {moment.day} {moment:%B}, {moment.year}"
