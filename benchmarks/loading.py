"""Turn documents into memories and send them in batches."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.datasets import Document
from benchmarks.moments import in_order
from memory_service.cli.client import ServiceClient

CONTENT_LIMIT = 64 * 1024
"""Bytes of UTF-8 that one memory may hold (API.md, Limits)."""

BATCH_CONTENT_LIMIT = 2 * 1024 * 1024
"""Bytes of content that one batch may hold (API.md, Limits)."""

ROLES = frozenset({"user", "assistant", "system", "tool"})
"""Speakers that are roles: they go into ``role``, since "user" says nothing about who spoke."""


@dataclass(slots=True)
class LoadReport:
    """What happened to the documents of a run."""

    sent: int = 0
    created: int = 0
    skipped: int = 0
    rejected: int = 0
    cut: list[str] = field(default_factory=list)
    """Documents longer than a memory may be; only their beginning was stored."""
    empty: list[str] = field(default_factory=list)
    """Documents without text; nothing was stored."""
    undated: int = 0
    """Documents without a time; they follow the one before them."""
    repaired: int = 0
    """Documents with lone surrogates, which UTF-8 cannot carry; replaced by a question mark."""
    first_rejection: str = ""
    seconds: float = 0.0
    """Time spent in requests."""


def memories(documents: Sequence[Document], *, conversation: str, report: LoadReport) -> list[dict[str, Any]]:
    """Return the batch items of a conversation without their namespace, and note in ``report`` what was changed."""
    moments = in_order((document.session, document.when) for document in documents)
    items = []
    for document, moment in zip(documents, moments, strict=True):
        report.undated += document.when is None
        content = _content(document, conversation=conversation, report=report)
        if not content:
            continue
        item: dict[str, Any] = {"content": content, "external_id": document.id}
        if document.session:
            item["session_id"] = document.session
        if moment is not None:
            item["observed_at"] = moment.isoformat()
        if document.speaker in ROLES:
            item["role"] = document.speaker
        elif document.speaker:
            item["speaker"] = document.speaker
        items.append(item)
    return items


def _content(document: Document, *, conversation: str, report: LoadReport) -> str:
    text = document.text + (f" [shares image: {document.caption}]" if document.caption else "")
    if not text.strip():
        report.empty.append(f"{conversation}/{document.id}")
        return ""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    report.repaired += clean != text
    cut = cut_to_bytes(clean, CONTENT_LIMIT)
    if cut != clean:
        report.cut.append(f"{conversation}/{document.id}")
    return cut


def cut_to_bytes(text: str, limit: int) -> str:
    """Return the longest beginning of ``text`` that is at most ``limit`` bytes in UTF-8.

    >>> cut_to_bytes("aéb", 2)
    'a'
    """
    encoded = text.encode("utf-8")
    return text if len(encoded) <= limit else encoded[:limit].decode("utf-8", "ignore")


def batches(items: Sequence[dict[str, Any]], *, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield runs of at most ``size`` items and BATCH_CONTENT_LIMIT bytes of content."""
    batch: list[dict[str, Any]] = []
    held = 0
    for item in items:
        weight = len(item["content"].encode("utf-8"))
        if batch and (len(batch) == size or held + weight > BATCH_CONTENT_LIMIT):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += weight
    if batch:
        yield batch


def send(
    client: ServiceClient,
    items: Sequence[dict[str, Any]],
    *,
    namespace: str,
    batch_size: int,
    report: LoadReport,
    sent: Callable[[int], None] = lambda _: None,
) -> None:
    """Store the items in a namespace; a rejected one is counted, and the first reason kept."""
    for batch in batches(items, size=batch_size):
        body = {"items": [{**item, "namespace": namespace} for item in batch]}
        began = time.perf_counter()
        results = client.post("/v1/memories/batch", body)["results"]
        report.seconds += time.perf_counter() - began
        report.sent += len(batch)
        for result in results:
            _count(result, batch=batch, report=report)
        sent(len(batch))


def _count(result: dict[str, Any], *, batch: list[dict[str, Any]], report: LoadReport) -> None:
    if result["status"] == "skipped":
        report.skipped += 1
    elif result["status"] == "rejected":
        report.rejected += 1
        if not report.first_rejection:
            problem = result.get("problem") or {}
            said = problem.get("detail") or problem.get("title") or "no reason given"
            report.first_rejection = f"{batch[result['index']]['external_id']}: {said}"
    else:
        report.created += 1
