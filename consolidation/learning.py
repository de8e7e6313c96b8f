"""Learn the fusion weights of a namespace: load what was judged, decide, put in force or refuse, and keep what was decided.

Every judged question is searched again, as of now and with the factors at 1. What the channels contribute to each row then
says what any other factors would have made of it.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session

from consolidation.tenancy import EncodeQuery, Tenancy
from memory_service.filters import parse_filter
from memory_service.storage import feedback, fusion_weights, jobs, saved_queries
from memory_service.storage.namespaces import Namespace, get_namespace
from memory_service.storage.saved_queries import QuerySource, query_hash
from memory_service.types import JobStatus
from retrieval.learning import CHANNELS, Comparison, Judged, Lesson, learn
from retrieval.loading import load
from retrieval.place import Place
from retrieval.preparing import prepare
from retrieval.ranking import Ranked, best_first, rank
from retrieval.request import RecallRequest
from retrieval.resident import Residents

OpenTransaction: TypeAlias = Callable[[], AbstractContextManager[Session]]

ROWS_KEPT: Final = 200  # of a ranking: those that factors of 0.5 to 2 can bring among the first ten
RESIDENT_BYTES: Final = 256 << 20  # for one run
RESIDENT_LARGEST: Final = 10_000  # memories; of a larger namespace candidates are ranked, as in a search

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Question:
    """A question with what was said of its answers."""

    query: str
    filter: Mapping[str, Any] | None
    said: dict[UUID, bool] = field(default_factory=dict)  # useful or not, by memory
    saved: bool = False
    promised: bool = False


def learn_job(tenancy: Tenancy, job: Any) -> bool:
    """Learn the weights of the job's namespace and write what was decided into the job."""
    with tenancy.open() as session:
        namespace = get_namespace(session, tenancy.tenant_id, job["namespace_id"])
    with tenancy.open_encoder(namespace.encoder_id) as encode:
        weights_id, lesson = learn_weights(tenancy, job["namespace_id"], encode=encode)
    outcome = {"weights_id": str(weights_id), "accepted": lesson.accepted, "reason": lesson.reason}
    with tenancy.open() as session:
        jobs.report_progress(session, tenancy.tenant_id, job["id"], done=1, items=[outcome])
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())
    return True


def learn_weights(tenancy: Tenancy, namespace_id: UUID, *, encode: EncodeQuery) -> tuple[UUID, Lesson]:
    """Learn the weights of a namespace; return the decision and the id it is kept under.

    The weights are read and written under one lock, so that two runs cannot both build on the same ones; the searches
    between hold no connection while they encode.
    """
    now = tenancy.clock()
    with tenancy.open() as session:
        namespace = get_namespace(session, tenancy.tenant_id, namespace_id)
        questions = _questions(session, tenancy.tenant_id, namespace_id, now=now)
    residents = Residents(limit_bytes=RESIDENT_BYTES, largest=RESIDENT_LARGEST)
    searches = [
        judged
        for key, question in questions.items()
        if (judged := _judged(tenancy, namespace, key, question, encode=encode, residents=residents, now=now))
    ]
    with tenancy.open() as session:
        fusion_weights.lock(session, tenancy.tenant_id, namespace_id)
        current = fusion_weights.in_force(session, tenancy.tenant_id, namespace_id)
        lesson = learn(searches, current.factors if current else None)
        weights_id = fusion_weights.keep_decision(
            session,
            tenancy.tenant_id,
            namespace_id,
            lesson.factors,
            accepted=lesson.accepted,
            reason=lesson.reason,
            evaluation={"unseen": _evaluation(lesson.unseen), "overall": _evaluation(lesson.overall)},
            replaced=current.id if current else None,
            now=tenancy.clock(),
        )
    log.info("weights_decided", namespace_id=str(namespace_id), accepted=lesson.accepted, reason=lesson.reason)
    return weights_id, lesson


def _questions(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime) -> dict[bytes, Question]:
    """Return what was judged, by question. The newest word on a memory counts, and what a caller saved counts over it."""
    found: dict[bytes, Question] = {}

    def question(query: str, where: Mapping[str, Any] | None) -> Question:
        return found.setdefault(query_hash(query, where), Question(query, where))

    for row in saved_queries.list_saved_queries(session, tenant_id, namespace_id=namespace_id):
        one = question(row["query"], row["filter"])
        one.saved, one.promised = True, row["source"] == QuerySource.CALLER
        one.said |= dict.fromkeys(row["relevant"], True)
    for row in feedback.list_feedback(session, tenant_id, namespace_id, now=now):
        one = question(row["query"], row["filter"])
        if not one.promised:  # what a caller saved is the whole of what is relevant
            one.said.setdefault(row["memory_id"], row["useful"])
    return found


def _judged(
    tenancy: Tenancy,
    namespace: Namespace,
    key: bytes,
    question: Question,
    *,
    encode: EncodeQuery,
    residents: Residents,
    now: datetime,
) -> Judged | None:
    """Search again; None where nothing useful is among what the search ranks now."""
    where = parse_filter(question.filter) if question.filter is not None else None
    request = RecallRequest(query=question.query, namespace=namespace.path, filter=where)
    with tenancy.open() as session:
        prepared = prepare(session, tenancy.tenant_id, request, now=now)
    vector = encode(prepared.parsed.spoken)
    with tenancy.open() as session:
        place = Place(tenancy.tenant_id, prepared.corpus.namespaces, prepared.corpus, now)
        loaded = load(session, place, request, prepared.parsed, residents=residents, vector=vector)
    ranked = rank(loaded.rows, prepared.parsed, vector=vector, allowed=loaded.allowed)
    return _kept(ranked, key, question)


def _kept(ranked: Ranked, key: bytes, question: Question) -> Judged | None:
    """Keep the best rows of a ranking, those of each channel, and every one that was judged."""
    found = ranked.found
    kept = set(best_first(ranked.score, found, ranked.ids, limit=ROWS_KEPT).tolist())
    for channel in ranked.channels.values():
        kept |= set(best_first(channel.contribution, found, ranked.ids, limit=ROWS_KEPT // 4).tolist())
    kept |= {row for row, id_ in enumerate(ranked.ids) if found[row] and id_ in question.said}
    rows = sorted(kept, key=lambda row: ranked.ids[row])
    said = [question.said.get(ranked.ids[row]) for row in rows]
    relevant = np.array([word is True for word in said], dtype=np.bool_)
    if not relevant.any():
        return None
    contributions = np.zeros((len(rows), len(CHANNELS)))
    for at, name in enumerate(CHANNELS):
        if name in ranked.channels:
            contributions[:, at] = ranked.channels[name].contribution[rows]
    return Judged(
        key=key.hex(),
        contributions=contributions,
        relevant=relevant,
        rejected=np.array([word is False for word in said], dtype=np.bool_),
        saved=question.saved,
        promised=question.promised,
    )


def _evaluation(comparison: Comparison | None) -> dict[str, Any] | None:
    return asdict(comparison) if comparison is not None else None
