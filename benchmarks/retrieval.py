"""Retrieval quality through HTTP: one conversation per namespace, one search per question."""

import re
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.datasets import Conversation, Question, read_conversations
from benchmarks.loading import LoadReport, memories, send
from benchmarks.metrics import ranks_of
from benchmarks.provenance import CHECKOUT, RESULTS, provenance
from benchmarks.results import require_writable, write_result
from benchmarks.retrieval_report import print_retrieval
from benchmarks.retrieval_summary import Answered, Summary, summarise
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.console import print_json, progress_bar
from memory_service.cli.failures import CommandFailure

BATCH_TIMEOUT_S = 900.0
"""A batch of the longest texts is minutes of encoding on one core."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    file: Path
    name: str
    limit_conversations: int | None = None
    top_k: int = 50
    preset: str | None = None
    channels: dict[str, float] | None = None
    batch_size: int = 200
    cleanup: bool = False

    def search(self, question: Question, *, namespace: str) -> dict[str, Any]:
        """Return the body of the search for a question."""
        body: dict[str, Any] = {"query": question.text, "namespace": namespace, "top_k": self.top_k}
        if question.asked_at is not None:
            body["now"] = question.asked_at.isoformat()
        if self.preset:
            body["preset"] = self.preset
        if self.channels:
            body["channels"] = self.channels
        return body


def parse_channels(text: str) -> dict[str, float]:
    """Return the weight of each channel.

    Raises:
        CommandFailure: not of the form ``name=weight,…`` with weights of at least 0.

    >>> parse_channels("vector=1, keyword=0.5")
    {'vector': 1.0, 'keyword': 0.5}
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+)\s*=\s*(\d+(?:\.\d+)?|\.\d+)\s*", part)
        if found is None:
            raise CommandFailure(f"{part.strip()!r} is not a channel weight", hint="Write vector=1,keyword=0.5")
        weights[found[1]] = float(found[2])
    return weights


def run_retrieval(connection: Connection, plan: Plan, *, out: Path | None, as_json: bool) -> Summary:
    """Load the file, ask its questions, print the metrics and write the raw results to ``out`` or a default place."""
    conversations = read_conversations(plan.file, limit=plan.limit_conversations)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    path = out or default_out(plan.name, run=run, folder=Path.cwd())
    require_writable(path)
    report = LoadReport()
    with ServiceClient(connection, timeout_s=BATCH_TIMEOUT_S) as client:
        spaces = [(f"bench/{run}/{segment(one.id)}", one) for one in conversations]
        load_spaces(client, spaces, plan=plan, report=report)
        answered = ask_all(client, spaces, plan=plan)
        if plan.cleanup:
            for namespace, _ in spaces:
                _archive(client, namespace)
    summary = summarise(answered, report)
    result = {
        "kind": "retrieval",
        "name": plan.name,
        **provenance(),
        "run": run,
        "dataset": {
            "file": plan.file.name,
            "conversations": len(conversations),
            "documents": sum(len(one.documents) for one in conversations),
            "questions": sum(len(one.questions) for one in conversations),
        },
        "settings": {
            "top_k": plan.top_k,
            "preset": plan.preset,
            "channels": plan.channels,
            "batch_size": plan.batch_size,
        },
        "loading": asdict(report),
        "summary": asdict(summary),
    }
    write_result(path, {**result, "questions": [_plain(one) for one in answered]})
    if as_json:
        print_json(result)
        print(f"raw results: {path}", file=sys.stderr)
    else:
        print_retrieval(summary, result, out=path)
    return summary


def default_out(name: str, *, run: str, folder: Path) -> Path:
    """Return where raw results go when nobody says: ``folder``, inside the checkout its benchmarks/results."""
    place = RESULTS if folder.is_relative_to(CHECKOUT) else folder
    return place / f"bench-{segment(name)}-{run}.json"


def segment(name: str) -> str:
    """Return a conversation's name as one segment of a namespace.

    >>> segment("Chat 1/a")
    'Chat_1_a'
    """
    return re.sub(r"[^A-Za-z0-9._@:-]", "_", name)[:100] or "_"


def load_spaces(
    client: ServiceClient, spaces: Sequence[tuple[str, Conversation]], *, plan: Plan, report: LoadReport
) -> None:
    """Store conversations, each in its namespace."""
    with progress_bar() as bar:
        task = bar.add_task("storing memories", total=sum(len(one.documents) for _, one in spaces))
        for namespace, conversation in spaces:
            items = memories(conversation.documents, conversation=conversation.id, report=report)
            bar.advance(task, len(conversation.documents) - len(items))
            send(
                client,
                items,
                namespace=namespace,
                batch_size=plan.batch_size,
                report=report,
                sent=lambda count: bar.advance(task, count),
            )


def _archive(client: ServiceClient, namespace: str) -> None:
    """Archive a namespace; one call changes a bounded number of memories, so ask until nothing is left."""
    while client.post("/v1/memories/archive", {"namespace": namespace, "filter": {}})["changed"]:
        pass


def ask_all(client: ServiceClient, spaces: Sequence[tuple[str, Conversation]], *, plan: Plan) -> list[Answered]:
    """Ask the questions of conversations, each in its namespace."""
    answered = []
    with progress_bar() as bar:
        task = bar.add_task("asking questions", total=sum(len(one.questions) for _, one in spaces))
        for namespace, conversation in spaces:
            for question in conversation.questions:
                answered.append(_ask(client, question, conversation=conversation.id, namespace=namespace, plan=plan))
                bar.advance(task)
    return answered


def _ask(client: ServiceClient, question: Question, *, conversation: str, namespace: str, plan: Plan) -> Answered:
    began = time.perf_counter()
    answer = client.post("/v1/search", plan.search(question, namespace=namespace))
    milliseconds = (time.perf_counter() - began) * 1000
    return Answered(
        conversation=conversation,
        question=question,
        returned=tuple(str(result["memory"].get("external_id")) for result in answer["results"]),
        confidence=answer.get("confidence"),
        abstain=answer.get("abstain"),
        milliseconds=milliseconds,
        timings_ms=answer.get("timings_ms") or {},
    )


def _plain(one: Answered) -> dict[str, Any]:
    """Return the raw result of a question; its text stays with the data set."""
    return {
        "conversation": one.conversation,
        "qid": one.question.id,
        "category": one.question.category,
        "gold": list(one.question.gold),
        "ranks": ranks_of(one.question.gold, ranked=one.returned),
        "returned": list(one.returned),
        "confidence": one.confidence,
        "abstain": one.abstain,
        "milliseconds": round(one.milliseconds, 3),
        "timings_ms": one.timings_ms,
    }
