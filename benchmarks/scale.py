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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks.metrics import median, percentile
from benchmarks.provenance import CHECKOUT
from benchmarks.readable import readable_failures
from benchmarks.scale_data import Synthetic
from benchmarks.scale_http import serving, time_searches
from benchmarks.scale_sized import INGESTED, PER_CHANNEL, RECALL_AT, SINGLE, TOP, Sized, default_of, path_of
from benchmarks.scale_store import TENANT, Store
from benchmarks.targets import Target, publish
from consolidation.shelving import Building, move_to_own_shelf
from consolidation.tenancy import Tenancy
from memory_service.cli.console import progress_bar
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.encoder import BatchingEncoder
from memory_service.encoder.loading import load_encoder
from memory_service.settings import Settings
from memory_service.storage.bootstrap import RoleUrls, bootstrap
from memory_service.storage.database import Database
from memory_service.storage.migrate import migrate
from retrieval.helper import Helper

OWN_SHELF_FROM = default_of("own_shelf_from")
GROWTH, RECALL, OVERLAP = 3.0, 0.97, 0.95


def main() -> None:
    """Load, move, measure, publish."""
    options = _options()
    folder = options.data_dir.absolute()
    with (
        _store(folder) as (store, roles, superuser),
        closing(_encoder(folder)) as encoder,
        closing(Helper()) as helper,
    ):
        loaded = {size: _load(store, size, options=options) for size in options.sizes}
        _vacuum(superuser)
        sized = {
            size: Sized(store, size, encoder, helper, seed=options.seed, count=options.queries)
            for size in options.sizes
        }
        measured: dict[str, Any] = {str(size): {"loading": loaded[size]} for size in options.sizes}
        for size, timings in _alternate(list(sized.values()), options.blocks).items():
            measured[str(size)] |= {
                "search_ms": timings.pop("search"),
                "search_by_vector_ms": timings.pop("by_vector"),
                "find_candidates_ms": timings,
            }
        asked = {path_of(size): one.queries for size, one in sized.items()}
        with serving(store, roles, folder, [query for some in asked.values() for query in some]) as subject:
            through = time_searches(subject, asked, rounds=options.blocks)
        for size in sized:
            measured[str(size)]["search_http_ms"] = through[path_of(size)]
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


def _load(store: Store, size: int, *, options: argparse.Namespace) -> dict[str, Any]:
    """Store a namespace and, if it is large, have it moved to a shelf of its own."""
    started = time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task(f"loading {size:,}", total=size)
        store.fill(path_of(size), size, data=Synthetic(seed=options.seed), done=lambda count: bar.advance(task, count))
    timings: dict[str, Any] = {"bulk_load_s": round(time.monotonic() - started, 1)}
    if size >= OWN_SHELF_FROM:
        timings |= _move(store, size, Building(options.build_mb, options.build_workers))
    return timings


def _move(store: Store, size: int, building: Building) -> dict[str, Any]:
    namespace = store.namespace(path_of(size))
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
    namespace = store.namespace(path_of(size))
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
