"""One namespace of 10,000, 100,000 and 1,000,000 memories beside each other: latency, recall, overlap, ingest, disk.

    python -m benchmarks.scale                          # all three; half an hour on two cores
    python -m benchmarks.scale --sizes 10000 100000     # some minutes

It runs a database of its own in `--data-dir`, with the service's settings. What is timed is a search through HTTP, by one
client of a service in a process of its own; and below HTTP a search with the encoding of its query, as the service does it when
nobody else searches, the same by a vector that is there, and `find_candidates` alone, in the service's role, under row level
security. The made texts mean nothing: what the encoder says of a query is put aside for the vector that belongs to it. A
namespace of 10,000 is searched in memory, where `find_candidates` has no part. Large namespaces are moved to shelves of their
own by the worker's code. Whatever is there already is used: a run that was interrupted goes on.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks.metrics import median, percentile
from benchmarks.provenance import CHECKOUT
from benchmarks.readable import readable_failures
from benchmarks.scale_data import Query, Synthetic, queries
from benchmarks.scale_http import serving, time_searches, worded
from benchmarks.scale_store import BATCH, ENCODER, TENANT, Store
from benchmarks.targets import Target, publish
from consolidation.shelving import Building, move_to_own_shelf
from consolidation.tenancy import Tenancy
from memory_service.cli.console import progress_bar
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.encoder import BatchingEncoder
from memory_service.encoder.loading import load_encoder
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, dedupe_hash, said_hash
from memory_service.lifecycle.remember import remember
from memory_service.settings import Settings
from memory_service.storage.bootstrap import RoleUrls, bootstrap
from memory_service.storage.database import Database
from memory_service.storage.migrate import migrate
from memory_service.storage.namespaces import Namespace
from memory_service.types import Extract
from retrieval.bm25 import FEWEST_DOCUMENTS
from retrieval.keyword_plan import plan_keywords
from retrieval.recall import Tools, recall
from retrieval.request import RecallRequest
from retrieval.resident import Residents
from retrieval.statements import Scope, find_candidates, hybrid_query


def _default(setting: str) -> int:
    return int(Settings.model_fields[setting].default)


OWN_SHELF_FROM = _default("own_shelf_from")
PER_CHANNEL = 50
TOP = 10
RECALL_AT = 50
INGEST_BATCH = 100
INGESTED = 1_000
SINGLE = 100
GROWTH, RECALL, OVERLAP = 3.0, 0.97, 0.95


def main() -> None:
    """Load, move, measure, publish."""
    options = _options()
    folder = options.data_dir.absolute()
    with _store(folder) as (store, roles, superuser), closing(_encoder(folder)) as encoder:
        loaded = {size: _load(store, size, options=options) for size in options.sizes}
        _vacuum(superuser)
        sized = {size: Sized(store, size, encoder, seed=options.seed, count=options.queries) for size in options.sizes}
        measured: dict[str, Any] = {str(size): {"loading": loaded[size]} for size in options.sizes}
        for size, timings in _alternate(list(sized.values()), options.blocks).items():
            measured[str(size)] |= {
                "search_ms": timings.pop("search"),
                "search_by_vector_ms": timings.pop("by_vector"),
                "find_candidates_ms": timings,
            }
        asked = {_path(size): one.queries for size, one in sized.items()}
        with serving(store, roles, folder, [query for some in asked.values() for query in some]) as subject:
            through = time_searches(subject, asked, rounds=options.blocks)
        for size in sized:
            measured[str(size)]["search_http_ms"] = through[_path(size)]
        for size, one in sized.items():
            measured[str(size)] |= {**one.quality(), "ingest": one.ingest()}
            if size >= OWN_SHELF_FROM:
                measured[str(size)]["ingest"] |= _settle(store, size)
        measured["bytes"] = _bytes(store, superuser)
    publish(
        "scale",
        targets=_targets(options.sizes, measured),
        settings=_settings(options),
        measured=measured,
        out=options.out,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="memories per namespace"
    )
    parser.add_argument("--queries", type=int, default=100, help="different queries per size")
    parser.add_argument("--blocks", type=int, default=4, help="rounds over all queries of all sizes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build-mb", type=int, default=2048, help="memory for building an index")
    parser.add_argument("--build-workers", type=int, default=1, help="database processes that help building it")
    parser.add_argument("--data-dir", type=Path, default=CHECKOUT / "var" / "scale", help="where its database lies")
    parser.add_argument("--out", type=Path, help="where to write the result")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    names = ("sizes", "queries", "blocks", "seed", "build_mb", "build_workers")
    return {name: getattr(options, name) for name in names} | {
        "per_channel": PER_CHANNEL,
        "own_shelf_from": OWN_SHELF_FROM,
    }


@contextmanager
def _store(folder: Path) -> Iterator[tuple[Store, RoleUrls, str]]:
    with EmbeddedPostgres(folder) as postgres:
        roles = bootstrap(postgres.url, data_dir=folder)
        migrate(roles.owner)
        store = Store(Database(roles.maintenance, pool_size=2), Database(roles.service, pool_size=2))
        store.prepare()
        try:
            yield store, roles, postgres.url
        finally:
            store.maintenance.dispose()
            store.service.dispose()


def _encoder(folder: Path) -> BatchingEncoder:
    return BatchingEncoder(load_encoder(Settings(data_dir=folder)))


def _path(size: int) -> str:
    return f"scale/{size}"


def _load(store: Store, size: int, *, options: argparse.Namespace) -> dict[str, Any]:
    """Store a namespace and, if it is large, have it moved to a shelf of its own."""
    started = time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task(f"loading {size:,}", total=size)
        store.fill(_path(size), size, data=Synthetic(seed=options.seed), done=lambda count: bar.advance(task, count))
    timings: dict[str, Any] = {"bulk_load_s": round(time.monotonic() - started, 1)}
    if size >= OWN_SHELF_FROM:
        timings |= _move(store, size, Building(options.build_mb, options.build_workers))
    return timings


def _move(store: Store, size: int, building: Building) -> dict[str, Any]:
    namespace = store.namespace(_path(size))
    steps: dict[str, float] = {}
    last = time.monotonic()

    def reached(step: str) -> None:
        nonlocal last
        now = time.monotonic()
        steps[step] = round(steps.get(step, 0) + now - last, 2)
        last = now

    tenancy = Tenancy(TENANT, lambda: store.service.transaction(TENANT), clock=lambda: datetime.now(UTC))
    started = time.monotonic()
    while not move_to_own_shelf(tenancy, namespace.id, building=building, grace=timedelta(0), reached=reached):
        pass  # A run ends after two minutes of settling, to let other work through.
    return {"move_s": round(time.monotonic() - started, 1), "move_steps_s": steps}


def _settle(store: Store, size: int) -> dict[str, float]:
    """Bring what `ingest` stored from the shared shelf to the own one, as a worker does."""
    namespace = store.namespace(_path(size))
    tenancy = Tenancy(TENANT, lambda: store.service.transaction(TENANT), clock=lambda: datetime.now(UTC))
    started = time.monotonic()
    while not move_to_own_shelf(tenancy, namespace.id, settled_from=1):
        pass
    return {"settled_per_s": round((INGESTED + SINGLE) / (time.monotonic() - started), 1)}


def _vacuum(superuser: str) -> None:
    engine = create_engine(superuser, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    engine.dispose()


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    scope: Scope
    keyword: Any


class Sized:
    """One namespace and the queries that are asked of it."""

    def __init__(self, store: Store, size: int, encoder: BatchingEncoder, *, seed: int, count: int) -> None:
        """Prepare queries about memories of its first batch, and the scope to ask them in."""
        self.size = size
        self._store = store
        self._encoder = encoder
        self._namespace: Namespace = store.namespace(_path(size))
        self._residents = Residents(limit_bytes=_default("resident_mb") << 20, largest=_default("resident_largest"))
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
            TENANT, (self._namespace.id,), self._namespace.shelf, ENCODER, datetime.now(UTC) + timedelta(days=1)
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
            self._residents, encode=encode, at_once=lambda _: encoding, count_tokens=lambda texts: [0] * len(texts)
        )
        started = time.perf_counter()
        found = recall(
            lambda: self._store.service.transaction(TENANT, durable=False),
            TENANT,
            RecallRequest(query, namespace=_path(self.size)),
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
            draft = Draft(" ".join(terms), namespace=_path(self.size), extract=Extract.NONE)
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


def _alternate(sized: Sequence[Sized], blocks: int) -> dict[int, dict[str, Any]]:
    """Time all namespaces in turns, the first round as warm-up."""
    kept: dict[int, list[dict[str, float]]] = {one.size: [] for one in sized}
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=(blocks + 1) * len(sized))
        for block in range(blocks + 1):
            for one in sized if block % 2 else reversed(sized):
                found = one.time()
                if block:
                    kept[one.size] += found
                bar.advance(task)
    return {
        size: {
            channel: {
                "p50": round(median([f[channel] for f in found]), 2),
                "p95": round(percentile([f[channel] for f in found], 0.95), 2),
            }
            for channel in ("search", "by_vector", "hybrid", "vector", "keyword")
        }
        for size, found in kept.items()
    }


def _bytes(store: Store, superuser: str) -> dict[str, Any]:
    """Return the size on disk of every table that grows with memories, and what that is per memory."""
    engine = create_engine(superuser, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT relname, pg_table_size(oid) AS heap, pg_indexes_size(oid) AS indexes, greatest(reltuples, 0) AS rows "
                "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
                "AND pg_total_relation_size(oid) > 1000000 ORDER BY 1"
            )
        ).all()
        indexes = connection.execute(
            text(
                "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                "AND relkind = 'i' AND pg_relation_size(oid) > 10000000 ORDER BY 2 DESC"
            )
        ).all()
        memories = connection.scalar(text("SELECT count(*) FROM memory")) or 1
    engine.dispose()
    return {
        "memories": memories,
        "tables": {row.relname: {"heap": row.heap, "indexes": row.indexes, "rows": int(row.rows)} for row in rows},
        "indexes": {name: size for name, size in indexes},
        "per_memory": round(sum(row.heap + row.indexes for row in rows) / memories),
    }


def _targets(sizes: Sequence[int], measured: dict[str, Any]) -> list[Target]:
    smallest, largest = measured[str(min(sizes))], measured[str(max(sizes))]
    growth = largest["find_candidates_ms"]["hybrid"]["p50"] / smallest["find_candidates_ms"]["hybrid"]["p50"]
    through, slower, by_vector = (
        largest[one]["p50"] / smallest[one]["p50"] for one in ("search_http_ms", "search_ms", "search_by_vector_ms")
    )
    targets = [
        Target(f"search p50 through HTTP, {max(sizes):,} / {min(sizes):,} memories", round(through, 2), GROWTH),
        Target(f"search p50 below HTTP, {max(sizes):,} / {min(sizes):,} memories", round(slower, 2), GROWTH),
        Target(f"search p50 but for encoding, {max(sizes):,} / {min(sizes):,} memories", round(by_vector, 2), GROWTH),
        Target(f"find_candidates p50, {max(sizes):,} / {min(sizes):,} memories", round(growth, 2), GROWTH),
    ]
    for size in sizes:
        one = measured[str(size)]
        targets += [
            Target(f"recall@{RECALL_AT} against exact, {size:,}", one[f"recall_at_{RECALL_AT}"], RECALL, at_most=False),
            Target(f"fewest rows of {RECALL_AT}, {size:,}", one[f"fewest_of_{RECALL_AT}"], RECALL_AT, at_most=False),
            Target(f"top {TOP} of full BM25 kept, {size:,}", one[f"bm25_overlap_at_{TOP}"], OVERLAP, at_most=False),
        ]
    return targets


if __name__ == "__main__":
    sys.exit(readable_failures(main))
