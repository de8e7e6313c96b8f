"""One made namespace and what is asked of it: how long that takes below HTTP, what is found of it, and what storing costs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from benchmarks.metrics import median, percentile
from benchmarks.scale_data import Query, Synthetic, queries
from benchmarks.scale_http import worded
from benchmarks.scale_store import BATCH, ENCODER, TENANT, Store
from memory_service.encoder import BatchingEncoder
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, dedupe_hash, said_hash
from memory_service.lifecycle.remember import remember
from memory_service.settings import Settings
from memory_service.storage.namespaces import Namespace
from memory_service.types import Extract
from retrieval.bm25 import FEWEST_DOCUMENTS
from retrieval.helper import Helper
from retrieval.keyword_plan import plan_keywords
from retrieval.recall import recall
from retrieval.request import RecallRequest
from retrieval.resident import Residents
from retrieval.statements import Scope, find_candidates, hybrid_query
from retrieval.tools import Tools

PER_CHANNEL = 50
TOP = 10
RECALL_AT = 50
INGEST_BATCH = 100
INGESTED = 1_000
SINGLE = 100


def default_of(setting: str) -> int:
    """Return what a setting is where nobody says otherwise."""
    return int(Settings.model_fields[setting].default)


def path_of(size: int) -> str:
    """Return the namespace of so many memories."""
    return f"scale/{size}"


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    scope: Scope
    keyword: Any


class Sized:
    """One namespace and the queries that are asked of it."""

    def __init__(
        self, store: Store, size: int, encoder: BatchingEncoder, helper: Helper, *, seed: int, count: int
    ) -> None:
        """Prepare queries about memories of its first batch, and the scope to ask them in."""
        self.size = size
        self._store = store
        self._encoder = encoder
        self._helper = helper
        self._namespace: Namespace = store.namespace(path_of(size))
        self._residents = Residents(limit_bytes=default_of("resident_mb") << 20, largest=default_of("resident_largest"))
        asked = queries(Synthetic(seed=seed).batch(0, BATCH), count, seed=seed + size)
        self._asked = [self._prepared(query) for query in asked]

    def _prepared(self, query: Query) -> _Asked:
        with self._store.service.transaction(TENANT) as session:
            documents = session.scalar(
                text("SELECT folded_docs FROM namespace WHERE tenant_id = :t AND id = :n"),
                {"t": TENANT, "n": self._namespace.id},
            )
            common = session.execute(
                text(
                    "SELECT term, df FROM term_stat WHERE tenant_id = :t AND namespace_id = :n AND term = ANY(:terms)"
                ),
                {"t": TENANT, "n": self._namespace.id, "terms": list(query.terms)},
            )
            frequency = {row.term: row.df for row in common}
        keyword = plan_keywords(query.terms, documents=max(FEWEST_DOCUMENTS, documents or 0), common=frequency)
        scope = Scope(
            TENANT,
            (self._namespace.id,),
            self._namespace.shelf,
            ENCODER,
            datetime.now(UTC) + timedelta(days=1),
            memories=self.size,
        )
        return _Asked(query, scope, keyword)

    @property
    def queries(self) -> list[Query]:
        """What is asked."""
        return [asked.query for asked in self._asked]

    def time(self) -> list[dict[str, float]]:
        """Search for every query, ask for its candidates with both channels, and with each alone; milliseconds."""
        searches = [self._searched(asked, encoding=True) for asked in self._asked]
        by_vector = [self._searched(asked, encoding=False) for asked in self._asked]
        return [
            {
                "search": searches[at],
                "by_vector": by_vector[at],
                "hybrid": self._timed(asked, vector=True, keyword=True),
                "vector": self._timed(asked, vector=True, keyword=False),
                "keyword": self._timed(asked, vector=False, keyword=True),
            }
            for at, asked in enumerate(self._asked)
        ]

    def _searched(self, asked: _Asked, *, encoding: bool) -> float:
        """Search as the service does, by a vector that is there or is waited for: everything but HTTP and the trace."""
        query = worded(asked.query)

        def encode(text: str) -> NDArray[np.float32]:
            if encoding:
                self._encoder.encode_query(text)
            return asked.query.vector

        tools = Tools(
            self._residents,
            encode=encode,
            at_once=lambda _: encoding,
            helper=self._helper,
            count_tokens=lambda texts: [0] * len(texts),
        )
        started = time.perf_counter()
        found = recall(
            lambda: self._store.service.transaction(TENANT, durable=False),
            TENANT,
            RecallRequest(query, namespace=path_of(self.size)),
            tools=tools,
            now=datetime.now(UTC),
            deliver=lambda _session, _recalled: None,
        )
        took = (time.perf_counter() - started) * 1000
        assert found.results
        return took

    def _timed(self, asked: _Asked, *, vector: bool, keyword: bool) -> float:
        started = time.perf_counter()
        with self._store.service.transaction(TENANT) as session:
            find_candidates(
                session, asked.scope, vector=asked.query.vector if vector else None,
                keyword=asked.keyword if keyword else None, per_channel=PER_CHANNEL, scored=False,
            )  # fmt: skip
        return (time.perf_counter() - started) * 1000

    def quality(self) -> dict[str, Any]:
        """Compare with the exact scan and with full BM25."""
        recalls, overlaps, fewest = [], [], RECALL_AT
        for asked in self._asked:
            recall, found = self._recall(asked)
            recalls.append(recall)
            fewest = min(fewest, found)
            overlaps.append(self._overlap(asked))
        known = [one for one in overlaps if one is not None]
        return {
            f"recall_at_{RECALL_AT}": float(np.mean(recalls)),
            f"fewest_of_{RECALL_AT}": fewest,
            f"bm25_overlap_at_{TOP}": float(np.mean(known)),
            "queries_with_matches": len(known),
        }

    def _recall(self, asked: _Asked) -> tuple[float, int]:
        """Return the share of the exact nearest that the channel finds, ties apart, and how many it returned."""
        with self._store.service.transaction(TENANT) as session:
            found = find_candidates(
                session, asked.scope, vector=asked.query.vector, keyword=None, per_channel=RECALL_AT
            )
            session.execute(text("SELECT set_config('statement_timeout', '0', true)"))
            statement, params = hybrid_query(
                asked.scope, vector=asked.query.vector, keyword=None, per_channel=RECALL_AT, exact=True
            )
            exact = session.execute(statement, params).one()
        best = sorted(exact.vector_scores, reverse=True)[:RECALL_AT]
        got = sorted((score for score in found.vector or [] if score is not None), reverse=True)[:RECALL_AT]
        return sum(score >= best[-1] - 1e-6 for score in got) / len(best), len(got)

    def _overlap(self, asked: _Asked) -> float | None:
        """Return the share of the first ten that have at least the score of full BM25's tenth; None without matches."""
        with self._store.maintenance.transaction(TENANT) as session:
            found = find_candidates(session, asked.scope, vector=None, keyword=asked.keyword, per_channel=PER_CHANNEL)
            rows = session.execute(
                text(
                    "WITH q AS (SELECT * FROM unnest(CAST(:terms AS text[]), CAST(:idf AS float8[])) AS q (term, idf)) "
                    "SELECT sum(q.idf * p.impact) AS score FROM q JOIN posting p ON p.tenant_id = :t "
                    "AND p.namespace_id = :n AND p.term = q.term AND p.known_to = 'infinity' "
                    "GROUP BY p.memory_id ORDER BY 1 DESC LIMIT :top"
                ),
                {"t": TENANT, "n": self._namespace.id, "top": TOP, **_idf(asked, found.document_frequency)},
            )
            full = [row.score for row in rows]
        if not full:
            return None
        got = sorted(found.keyword or [], reverse=True)[: len(full)]
        return float(sum(score >= full[-1] - 1e-6 for score in got) / len(full))

    def ingest(self) -> dict[str, float]:
        """Store further memories as the service does, in batches and one by one; vectors are given."""
        data = Synthetic(seed=7).batch(int(time.time()), INGESTED + SINGLE)
        now = datetime.now(UTC)
        prepared = []
        for terms, vector in zip(data.terms, data.vectors, strict=True):
            draft = Draft(" ".join(terms), namespace=path_of(self.size), extract=Extract.NONE)
            prepared.append(
                Prepared(
                    draft,
                    now,
                    content_hash(draft.content),
                    dedupe_hash(draft),
                    said_hash(draft.user_id, content_hash(draft.content)),
                    tuple(terms),
                    (Chunk((0, 1), vector),),
                )
            )
        encoding = Encoding(lambda texts: np.zeros((0, 0), np.float32), lambda _: [], ENCODER)

        def store(items: Sequence[Prepared]) -> None:
            with self._store.service.transaction(TENANT) as session:
                remember(session, TENANT, items, encoding=encoding, now=datetime.now(UTC))

        started = time.monotonic()
        for start in range(0, INGESTED, INGEST_BATCH):
            store(prepared[start : start + INGEST_BATCH])
        elapsed = time.monotonic() - started
        single = [_milliseconds(lambda one=one: store([one])) for one in prepared[INGESTED:]]  # type: ignore[misc]
        return {
            "batch_of_100_per_s": round(INGESTED / elapsed, 1),
            "single_p50_ms": round(median(single), 2),
            "single_p95_ms": round(percentile(single, 0.95), 2),
        }


def _milliseconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _idf(asked: _Asked, frequency: dict[str, int]) -> dict[str, list[Any]]:
    """Return the weights that the service itself used, so that only the choice of candidates is compared."""
    documents = asked.keyword.documents
    weights = {
        term: float(np.log1p((max(documents, df) - df + 0.5) / (df + 0.5)))
        for term in asked.query.terms
        if (df := frequency.get(term, 0))
    }
    return {"terms": list(weights), "idf": list(weights.values())}
