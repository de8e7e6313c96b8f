"""Works on the KV memories of one tenant as API and workers do, at random, until it is killed.

Started as `python -m tests.integration.kv.random_operations SERVICE_URL FOLDER TENANT`, it forks a process for every seed that
it reads, whose operations are lines on standard output, each written when it has ended; the first line is the process's id.
"""

import hashlib
import io
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

from memory_service.activation.chain import block_hashes
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import tokens_digest
from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import BlobMissing, blob_name
from memory_service.errors import MemoryServiceError
from memory_service.lifecycle.erase import erase
from memory_service.lifecycle.kv_arriving import bring, settle
from memory_service.lifecycle.kv_loading import loadable, look_up
from memory_service.lifecycle.kv_looks import Looks
from memory_service.lifecycle.kv_saving import Limits, Part, Saved, save
from memory_service.lifecycle.kv_sweeping import remove_blobs, sweep_spent, sweep_store
from memory_service.storage import kv_memories, kv_plans, memories
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.kv_plans import KvPlan, PlanSource
from tests.integration.kv.engine_files import BLOCK, ENGINE, safetensors

LIMITS = Limits(tenant_bytes=40 * len(safetensors(4, width=512)), ttl=timedelta(days=1))
PROMPTS = 60


class Worker:
    """One process at work."""

    def __init__(self, url: str, folder: Path, tenant_id: UUID, seed: int) -> None:
        self.database = Database(url, pool_size=2)
        # The database is not killed here, so nothing is lost by not waiting for its disk.
        self.open = partial(self.database.transaction, durable=False)
        self.blobs, self.looks = FolderStore(folder), Looks()
        self.tenant_id = tenant_id
        self.rng = Random(seed)

    def run(self) -> None:
        """Do one thing after the other until the end of the process."""
        operations: list[tuple[Callable[[], str], int]] = [
            (self.save, 10), (self.load, 4), (self.erase, 1), (self.change, 2), (self.delete, 2), (self.sweep, 1),
        ]  # fmt: skip
        doings, weights = zip(*operations, strict=True)
        print(os.getpid(), flush=True)
        while True:
            doing = self.rng.choices(doings, weights)[0]
            print(doing.__name__, doing(), flush=True)

    def save(self) -> str:
        """Plan a prompt of some memories, and save a part of it."""
        now, number = datetime.now(UTC), self.rng.randrange(PROMPTS)
        tokens = [number * 1_000 + n for n in range(6 * BLOCK)]
        hashes = block_hashes(tokens, block_size=BLOCK, engine=ENGINE, salt="salt")
        plan_id, first = new_id(), self.rng.randrange(3)
        count = self.rng.randint(1, 6 - first)
        with self.open(self.tenant_id) as session:
            present = self._memories(2)
            versions = memories.versions_of(session, self.tenant_id, present)
            space = session.connection().exec_driver_sql("SELECT id FROM namespace LIMIT 1").scalar_one()
            kv_plans.keep_plan(
                session,
                self.tenant_id,
                KvPlan(
                    plan_id, space, ENGINE, "tiny", len(tokens), tokens_digest(tokens), "a" * 64, BLOCK, hashes, 6, now,
                    now + timedelta(minutes=5),
                ),
                [PlanSource(one, versions[one], "shared", 0, 8, 0) for one in present if one in versions],
            )  # fmt: skip
        data = safetensors(count, width=512)
        part = Part(plan_id, ENGINE, first, count, "raw", Exactness.EXACT)
        opened = self.open
        saved: Saved | None = None
        arrived = bring(
            opened, self.blobs, self.looks, self.tenant_id, part, io.BytesIO(data), size=len(data),
            checksum=hashlib.sha256(data).hexdigest(), now=now,
        )  # fmt: skip
        try:
            with opened(self.tenant_id) as session:
                done = save(session, self.tenant_id, part, arrived, limits=LIMITS, now=now)
            saved = done
        except MemoryServiceError as error:
            return error.specific_code
        finally:
            settle(opened, self.blobs, self.tenant_id, arrived, saved, now=now)
        return f"evicted {len(done.evicted)}" if done.is_new else "present"

    def load(self) -> str:
        """Look a prompt up, and read every record that covers it: what is served has to be whole."""
        now = datetime.now(UTC)
        tokens = [self.rng.randrange(PROMPTS) * 1_000 + n for n in range(6 * BLOCK)]
        hashes = block_hashes(tokens, block_size=BLOCK, engine=ENGINE, salt="salt")
        with self.open(self.tenant_id) as session:
            found = look_up(
                session, self.tenant_id, hashes, engine=ENGINE, codecs=["raw"], exactness=["exact"], now=now
            )
        for run in found["runs"]:
            one = UUID(run["kv_memory_id"])
            try:
                with self.blobs.open(blob_name(self.tenant_id, one)) as opened:
                    if hashlib.sha256(b"".join(opened.parts)).hexdigest() != run["checksum"]:
                        raise AssertionError(f"{one} is not what was saved")
            except BlobMissing:
                # Nobody else is at work: a record that can be loaded has its blob.
                raise AssertionError(f"{one} has no blob") from None
        return str(found["stored"])

    def erase(self) -> str:
        """Erase a memory."""
        with self.open(self.tenant_id) as session:
            return str(len(erase(session, self.tenant_id, self._memories(1), now=datetime.now(UTC))))

    def change(self) -> str:
        """Give a memory another version, which a prompt shows otherwise or does not."""
        now, ids = datetime.now(UTC), self._memories(1)
        new = self.rng.choice([{"importance": self.rng.random()}, {"speaker": f"number {self.rng.random()}"}])
        with self.open(self.tenant_id) as session:
            memories.lock_memories(session, self.tenant_id, ids)
            memories.keep_versions(session, self.tenant_id, ids, now=now)
            memories.update_memories(session, self.tenant_id, ids, new, now=now)
        return "1"

    def delete(self) -> str:
        """Delete a KV memory."""
        now = datetime.now(UTC)
        with self.open(self.tenant_id) as session:
            rows = kv_memories.list_records(
                session, self.tenant_id, namespace_id=None, engine=None, memory_id=None, before=None, limit=20, now=now
            )
        if not rows:
            return "none"
        one = self.rng.choice(rows)["id"]
        with self.open(self.tenant_id) as session:
            loadable(session, self.tenant_id, one, now=now)
            kv_memories.mark_stale(session, self.tenant_id, [one], reason=kv_memories.DELETED, now=now)
        return str(remove_blobs(self.open, self.blobs, self.tenant_id, [one], now=now))

    def sweep(self) -> str:
        """Sweep as workers do, with a grace that this process alone makes possible."""
        return sweep_all(self.database, self.blobs)

    def _memories(self, number: int) -> list[UUID]:
        with self.open(self.tenant_id) as session:
            found = session.connection().exec_driver_sql("SELECT id FROM memory ORDER BY id").scalars().all()
        return sorted(self.rng.sample(list(found), min(number, len(found))))


def sweep_all(database: Database, blobs: FolderStore) -> str:
    """Do what the tasks of the sweep do, at once."""
    from sqlalchemy import text

    now = datetime.now(UTC)
    with database.untenanted() as connection:
        spent = connection.execute(text("SELECT tenant_id, id FROM spent_kv(:now, :now, 10000)"), {"now": now}).all()
        live = connection.execute(
            text("SELECT tenant_id, id FROM live_kv(:now, :zero, :zero, 10000)"), {"now": now, "zero": UUID(int=0)}
        ).all()
    for tenant_id in sorted({row.tenant_id for row in spent}):
        ids = [row.id for row in spent if row.tenant_id == tenant_id]
        sweep_spent(database.transaction, blobs, tenant_id, ids, now=now)
    done = sweep_store(
        database.transaction, blobs, lambda: [(row.tenant_id, row.id) for row in live], now=now, grace=timedelta(0)
    )
    return f"orphans {done.orphans} dangling {done.dangling}"


if __name__ == "__main__":
    for seed in sys.stdin:
        if (child := os.fork()) == 0:
            Worker(sys.argv[1], Path(sys.argv[2]), UUID(sys.argv[3]), int(seed)).run()
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
