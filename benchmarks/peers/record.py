"""Turn a run into the JSON that is kept: everything the table says, and the rank of every piece of evidence."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.metrics import ranks_of
from benchmarks.peers.catalogue import FLOOR, SERVICE
from benchmarks.peers.comparison import HEADLINE_DEPTH, beside, numbers
from benchmarks.peers.outcome import Course, Outcome
from benchmarks.peers.table import course_of
from benchmarks.targets import Target


def contestant_record(outcome: Outcome, *, service: Outcome | None) -> dict[str, Any]:
    """Return everything about one contestant; ids and ranks, never texts."""
    each = outcome.disk_bytes / outcome.stored if outcome.disk_bytes is not None and outcome.stored else None
    return {
        "name": outcome.name,
        "version": outcome.version or None,
        "not_measured": outcome.reason or None,
        "encodes": outcome.encodes,
        "note": outcome.note,
        "encoder_cosine": outcome.encoder_cosine,
        "disk_bytes_per_memory": each,
        "memory": asdict(outcome.memory) if outcome.memory else None,
        "files": [_file(outcome, course, service=service) for course in outcome.courses],
    }


def _file(outcome: Outcome, course: Course, *, service: Outcome | None) -> dict[str, Any]:
    ours = course_of(service, course.name) if service is not None and service is not outcome else None
    compared = beside(ours, course) if ours else None
    return {
        "file": course.name,
        "conversations": course.conversations,
        "memories": course.stored,
        "asked": len(course.asked),
        "numbers": asdict(numbers(course)),
        "service_beside_it": asdict(compared) if compared else None,
        "ranks": {
            f"{one.conversation}/{one.question.id}": " ".join(
                str(rank or "-") for rank in ranks_of(one.question.gold, ranked=one.returned)
            )
            for one in course.asked
            if one.question.gold
        },
    }


def promises(outcomes: Sequence[Outcome]) -> list[Target]:
    """Return for every measured peer and file: recall@10 above its own, and a median search below its own.

    The floor is no peer. What could not be measured stands as not measured; a peer that has no file at all makes no
    promise, and its reason stands beside it.
    """
    service = next((one for one in outcomes if one.name == SERVICE), None)
    found = []
    for peer in outcomes:
        if peer.name in (SERVICE, FLOOR.name) or not peer.finished:
            continue
        for course in peer.courses:
            ours = course_of(service, course.name) if service is not None and service.finished else None
            compared = beside(ours, course) if ours else None
            label = f"{peer.name}, {course.name}"
            gain = compared.recall_gain if compared else None
            ratio = compared.time_ratio if compared else None
            found.append(Target(f"recall@{HEADLINE_DEPTH} less that of {label}", gain, 0.0, at_most=False))
            found.append(Target(f"search p50 / that of {label}", ratio, 1.0))
    return found
