"""What the precision tiers of vectors cost in recall and save in bytes, on real texts.

Usage: python -m benchmarks.precision --data FOLDER [--cache FOLDER] [--out FILE]

Recall: conversations are encoded once; then their memories are put into a tier, or share by share into several, and every
question is ranked by the whole ranking and by the vectors alone. Bytes: the same vectors are stored in a database of its own and
moved by the service's own functions; sizes are those of all tables of vectors with their indexes, rewritten, so that no
bloat and no free page counts.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.pool import NullPool

from benchmarks.ablation import SETS, add_data_options, load_set, open_encoder
from benchmarks.ablation_data import Space
from benchmarks.ablation_ranks import ask_all, counted, recalls
from benchmarks.ablation_setup import Setup
from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import require_writable, write_result
from memory_service.cli.failures import CommandFailure
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.encoder import EncoderIdentity
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, said_hash
from memory_service.lifecycle.remember import remember
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.database import Database
from memory_service.storage.encoders import register_encoder
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.storage.precision import move_tiers
from memory_service.storage.tables import tenant
from memory_service.types import Extract, PrecisionTier
from retrieval.quantisation import dequantise, from_sketch, quantise

TOGETHER = 500  # memories stored or moved by one transaction
NEAREST = 10
HALF, INT8, BINARY = PrecisionTier.HALF, PrecisionTier.INT8, PrecisionTier.BINARY
TABLES = ("embedding_shelf_0", "embedding_shelf_1", "embedding_coarse")

# What is moved one after another, since nothing rises here: a name, and which shares fall to eight bits and to signs.
STAGES = (
    (("half", 0.0, 0.0), ("int8", 1.0, 0.0), ("binary", 0.0, 1.0)),
    (("30% binary, 40% int8", 0.7, 0.3),),
)

Choose = Callable[[Space], NDArray[np.int8]]  # (n,) the tier of each memory


def kept(vectors: NDArray[np.float32], tiers: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return what is left of vectors in their tiers: float32[n, d].

    >>> kept(np.array([[0.6, -0.8], [0.6, -0.8]], np.float32), np.array([0, 2], np.int8)).round(2).tolist()
    [[0.6000000238418579, -0.800000011920929], [0.8899999856948853, -0.8899999856948853]]
    """
    left = vectors.astype(np.float16).astype(np.float32)
    for tier in (INT8, BINARY):
        there = tiers == tier
        if there.any():
            some = left[there]
            bits = np.packbits(some > 0, axis=1)
            left[there] = dequantise(quantise(some)) if tier is INT8 else from_sketch(bits, some.shape[1])
    return left


def all_in(tier: PrecisionTier) -> Choose:
    """Return the choice of one tier for every memory."""
    return lambda space: np.full(len(space.rows), tier, np.int8)


def shares(*, int8: float, binary: float, recalled_in_half: bool) -> Choose:
    """Return a choice at random, the same each time; memories that answer a question may be exempt, as recall exempts them."""

    def choose(space: Space) -> NDArray[np.int8]:
        rng = np.random.default_rng(len(space.rows))
        drawn = rng.random(len(space.rows))
        tiers = np.where(drawn < binary, BINARY, np.where(drawn < binary + int8, INT8, HALF)).astype(np.int8)
        if recalled_in_half:
            tiers[[row for asked in space.asked for row in asked.gold]] = HALF
        return tiers

    return choose


CASES: dict[str, Choose] = {
    "half": all_in(HALF),
    "int8": all_in(INT8),
    "binary": all_in(BINARY),
    "30% binary, 40% int8": shares(int8=0.4, binary=0.3, recalled_in_half=False),
    "recalled half, the rest int8": shares(int8=1.0, binary=0.0, recalled_in_half=True),
    "recalled half, the rest binary": shares(int8=0.0, binary=1.0, recalled_in_half=True),
}


def in_tiers(space: Space, tiers: NDArray[np.int8]) -> Space:
    """Return a space whose memories have only what their tiers keep."""
    rows = space.rows
    keys = replace(rows.keys, vectors=kept(rows.keys.vectors, tiers[rows.keys.row]))
    return replace(space, rows=replace(rows, vectors=kept(rows.vectors, tiers), keys=keys))


def same_nearest(before: Sequence[Space], after: Sequence[Space]) -> float:
    """Return which share of the ten nearest of each question are still among the ten nearest."""
    found = []
    for old, new in zip(before, after, strict=True):
        for asked in old.asked:
            one, other = (_nearest(space, asked.whole.vector) for space in (old, new))
            found.append(len(one & other) / len(one))
    return float(np.mean(found))


def _nearest(space: Space, vector: NDArray[np.float32]) -> set[int]:
    return set(np.argsort(-(space.rows.vectors @ vector), kind="stable")[:NEAREST].tolist())


def candidates_held(spaces: Sequence[Space]) -> dict[str, float]:
    """Return which share of the ten nearest are among the memories whose signs differ least, by how many of those."""
    vectors = np.concatenate([space.rows.vectors for space in spaces])
    signs = vectors > 0
    held: dict[int, list[float]] = {75: [], 150: [], 300: []}
    for asked in (asked for space in spaces for asked in space.asked[::4]):
        query = asked.whole.vector
        true = set(np.argsort(-(vectors @ query), kind="stable")[:NEAREST].tolist())
        order = np.argsort((signs != (query > 0)).sum(axis=1), kind="stable")
        for n, found in held.items():
            found.append(len(true & set(order[:n].tolist())) / NEAREST)
    return {str(n): round(float(np.mean(found)), 4) for n, found in held.items()}


def measure_recall(spaces: Sequence[Space]) -> dict[str, Any]:
    """Rank every question in every case."""
    whole, alone = Setup(), Setup(alone="vector")
    before = [in_tiers(space, CASES["half"](space)) for space in spaces]
    found: dict[str, Any] = {}
    for name, choose in CASES.items():
        there = [in_tiers(space, choose(space)) for space in spaces]
        found[name] = {
            "recall_at_10": round(100 * recalls(counted(ask_all(there, whole.rank)))[10], 2),
            "vector_recall_at_10": round(100 * recalls(counted(ask_all(there, alone.rank)))[10], 2),
            "same_ten_nearest": round(same_nearest(before, there), 4),
        }
        print(f"  {name:32} {found[name]}", flush=True)
    return found


def measure_bytes(vectors: NDArray[np.float32]) -> dict[str, Any]:
    """Store memories with these vectors, move them down, and weigh what is left each time."""
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(EmbeddedPostgres(folder))
        roles = bootstrap(postgres.url, data_dir=folder)
        migrate(roles.owner)
        database = Database(roles.service, pool_size=2)
        stack.callback(database.dispose)
        maintenance = create_engine(roles.maintenance, poolclass=NullPool)
        superuser = create_engine(postgres.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        for stages in STAGES:
            with maintenance.begin() as connection:
                connection.exec_driver_sql("DELETE FROM memory")
            tenant_id, ids = _stored(database, maintenance, roles.maintenance, vectors)
            for name, int8, binary in stages:
                began = time.perf_counter()
                moved = _move(database, tenant_id, ids[: round(int8 * len(ids))], INT8)
                moved += _move(database, tenant_id, ids[: round(binary * len(ids))], BINARY)
                took = time.perf_counter() - began
                total = _weigh(superuser)
                found[name] = {"bytes": total, "per_memory": round(total / len(ids))}
                found[name]["of_half"] = round(total / found["half"]["bytes"], 3)
                if moved:
                    found[name]["moved_per_s"] = round(moved / took)
                print(f"  {name:32} {found[name]}", flush=True)
    return found


def _stored(
    database: Database, maintenance: Engine, maintenance_url: str, vectors: NDArray[np.float32]
) -> tuple[UUID, list[UUID]]:
    tenant_id, now = new_id(), datetime.now(UTC)
    with maintenance.begin() as connection:
        connection.execute(insert(tenant).values(id=tenant_id, name=str(tenant_id), created_at=now))
    encoder = register_encoder(
        maintenance_url,
        identity=EncoderIdentity("benchmark", vectors.shape[1], 256, "benchmark", vectors[0]),
        now=now,
    )
    encoding = Encoding(lambda texts: vectors[:0], lambda content: [], encoder.id)
    ids: list[UUID] = []
    for start in range(0, len(vectors), TOGETHER):
        with database.transaction(tenant_id) as session:
            items = [_prepared(start + n, one, now=now) for n, one in enumerate(vectors[start : start + TOGETHER])]
            ids += [one.memory_id for one in remember(session, tenant_id, items, encoding=encoding, now=now)]
    return tenant_id, ids


def _prepared(number: int, vector: NDArray[np.float32], *, now: datetime) -> Prepared:
    draft = Draft(f"memory {number}", extract=Extract.NONE, deduplicate=False)
    hashed = content_hash(draft.content)
    return Prepared(draft, now, hashed, None, said_hash(None, hashed), ("memory",), (Chunk((0, 1), vector),))


def _move(database: Database, tenant_id: UUID, ids: Sequence[UUID], tier: PrecisionTier) -> int:
    moved = 0
    for start in range(0, len(ids), TOGETHER):
        with database.transaction(tenant_id) as session:
            some = [(one, tier) for one in ids[start : start + TOGETHER]]
            moved += len(move_tiers(session, tenant_id, some, now=datetime.now(UTC)).moved)
    return moved


def _weigh(superuser: Engine) -> int:
    with superuser.connect() as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"VACUUM (FULL) {table}")
        listed = ", ".join(f"'{table}'" for table in TABLES)
        total: int = connection.execute(
            text(
                f"SELECT sum(pg_total_relation_size(name)) FROM unnest(CAST(ARRAY[{listed}] AS regclass[])) AS t (name)"
            )
        ).scalar_one()
    return int(total)


def main() -> None:
    """Measure both and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision", description=(__doc__ or "").split("\n", 1)[0]
    )
    add_data_options(parser)
    parser.set_defaults(sets=["locomo", "realtalk"])
    parser.add_argument("--memories", type=int, default=10_000, help="how many are stored to weigh them")
    parser.add_argument("--out", type=Path, default=RESULTS / "precision.json", help="where the raw results go")
    options = parser.parse_args()
    require_writable(options.out)
    encoder = open_encoder(options.cache)
    recall: dict[str, Any] = {}
    everything = []
    for name in options.sets:
        spaces = load_set(options.data, name, encoder)
        memories = sum(len(space.rows) for space in spaces)
        print(f"{name}: {memories} memories, {sum(len(space.asked) for space in spaces)} questions", flush=True)
        recall[name] = {"file": SETS[name], "memories": memories, "cases": measure_recall(spaces)}
        recall[name]["held_by_signs"] = candidates_held(spaces)
        print(f"  of the ten nearest of all, among the fewest other signs: {recall[name]['held_by_signs']}", flush=True)
        everything.append(np.concatenate([space.rows.vectors for space in spaces]))
    vectors = np.concatenate(everything)
    vectors = vectors[np.arange(options.memories) % len(vectors)]
    print(f"bytes of {len(vectors)} memories of one chunk", flush=True)
    result = {"kind": "precision", **provenance(), "recall": recall, "memories": len(vectors)}
    write_result(options.out, {**result, "dimension": vectors.shape[1], "bytes": measure_bytes(vectors)})


if __name__ == "__main__":
    try:
        main()
    except CommandFailure as failure:
        sys.exit(str(failure))
