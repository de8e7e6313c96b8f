"""Read conversations with questions: our jsonl form, the published LoCoMo file, LongMemEval files."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.moments import read_moment
from memory_service.cli.failures import InputUnusable

LOCOMO_CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
ADVERSARIAL = "adversarial"
KNOWN_FORMS = "Known are jsonl lines {conv, docs, questions}, LoCoMo's locomo10.json and LongMemEval's JSON."
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Document:
    """One turn; ``when`` is the time the file states, which many turns may share."""

    id: str
    session: str
    when: datetime | None
    speaker: str
    text: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the ids of its evidence; empty when the conversation does not answer it."""

    id: str
    text: str
    category: str
    gold: tuple[str, ...]
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """What goes into one namespace, and what is asked there."""

    id: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]


def read_conversations(path: Path, *, limit: int | None = None) -> list[Conversation]:
    """Return the conversations of a file, in file order, at most ``limit``.

    Raises:
        InputUnusable: the file is missing, damaged, or in no known form.
    """
    try:
        records = _records(path)
        found = [_conversation(record) for record in islice(records, limit)]
    except OSError as error:
        raise InputUnusable(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:  # Its own words quote the whole file.
        raise InputUnusable(f"{path} is in no known form: it is not text in UTF-8", hint=KNOWN_FORMS) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputUnusable(
            f"{path} is in no known form: {repr(error)[:LONGEST_REASON]}",
            hint=KNOWN_FORMS,
        ) from error
    if not found:
        raise InputUnusable(f"{path} holds no conversation")
    return found


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a jsonl file, or of a JSON file that holds a list."""
    with path.open(encoding="utf-8") as lines:
        first = lines.read(1)
        lines.seek(0)
        if first == "[":
            yield from json.load(lines)
        else:
            yield from (json.loads(line) for line in lines if line.strip())


def _conversation(record: dict[str, Any]) -> Conversation:
    if "docs" in record:
        return _from_jsonl(record)
    if "haystack_sessions" in record:
        return _from_longmemeval(record)
    if "conversation" in record and "qa" in record:
        return _from_locomo(record)
    raise ValueError(f"a record with the fields {sorted(record)}")


def _from_jsonl(record: dict[str, Any]) -> Conversation:
    return Conversation(
        id=str(record["conv"]),
        documents=tuple(
            Document(
                id=str(doc["id"]),
                session=str(doc.get("sess") or ""),
                when=read_moment(doc.get("date") or ""),
                speaker=doc.get("speaker") or "",
                text=doc["text"],
                caption=doc.get("caption") or "",
            )
            for doc in record["docs"]
        ),
        questions=tuple(
            Question(
                id=str(question["qid"]),
                text=question["q"],
                category=str(question["cat"]),
                gold=tuple(map(str, question["gold"])),
                asked_at=read_moment(question.get("qdate") or ""),
            )
            for question in record["questions"]
        ),
    )


def _from_locomo(record: dict[str, Any]) -> Conversation:
    name, talk = str(record["sample_id"]), record["conversation"]
    numbers = sorted(int(found[1]) for key in talk if (found := re.fullmatch(r"session_(\d+)", key)))
    documents = tuple(
        Document(
            id=turn["dia_id"],
            session=f"session_{number}",
            when=read_moment(talk.get(f"session_{number}_date_time") or ""),
            speaker=turn["speaker"],
            text=turn["text"],
            caption=turn.get("blip_caption") or "",
        )
        for number in numbers
        for turn in talk[f"session_{number}"]
    )
    known = {document.id for document in documents}
    questions = tuple(
        Question(
            id=f"{name}-q{index}",
            text=item["question"],
            category=LOCOMO_CATEGORIES.get(item["category"], str(item["category"])),
            gold=tuple(one for one in locomo_evidence(item.get("evidence") or []) if one in known),
        )
        for index, item in enumerate(record["qa"])
    )
    return Conversation(id=name, documents=documents, questions=questions)


def locomo_evidence(stated: list[str]) -> list[str]:
    """Return turn ids from LoCoMo's evidence, some of which is written together or with a slip.

    >>> locomo_evidence(["D8:6; D9:17", "D:11:26", "D30:05", "D8:6"])
    ['D8:6', 'D9:17', 'D11:26', 'D30:5']
    """
    found = [f"D{int(one[1])}:{int(one[2])}" for text in stated for one in re.finditer(r"D:?(\d+):(\d+)", text)]
    return list(dict.fromkeys(found))


def _from_longmemeval(record: dict[str, Any]) -> Conversation:
    """Read one question with its own haystack of sessions; evidence are the turns marked ``has_answer``."""
    name = str(record["question_id"])
    documents: list[Document] = []
    evidence: list[str] = []
    sessions = zip(record["haystack_session_ids"], record["haystack_dates"], record["haystack_sessions"], strict=True)
    for place, (session, date, turns) in enumerate(sessions):
        when = read_moment(date)
        for turn_number, turn in enumerate(turns):
            # A session may stand twice in a haystack: its place keeps the ids apart.
            one = f"{place}:{session}:{turn_number}"
            documents.append(
                Document(id=one, session=f"{place}:{session}", when=when, speaker=turn["role"], text=turn["content"])
            )
            if turn.get("has_answer"):
                evidence.append(one)
    abstention = name.endswith("_abs")
    question = Question(
        id=name,
        text=record["question"],
        category="abstention" if abstention else str(record["question_type"]),
        gold=() if abstention else tuple(evidence),
        asked_at=read_moment(record.get("question_date") or ""),
    )
    return Conversation(id=name, documents=tuple(documents), questions=(question,))
