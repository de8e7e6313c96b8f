"""A thousand random operations by processes that are killed at random: no blob is left over and no record without its blob."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import named_by
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from tests.integration.kv.random_operations import sweep_all

OPERATIONS = 1_000
MOST_S = 240  # It takes half a minute where nothing else runs.
ROOT = Path(__file__).parents[3]


class Victims:
    """Processes that work at random, one after the other, each until it is killed."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.integration.kv.random_operations", *arguments]
        self._host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._host.stdin is not None
        assert self._host.stdout is not None
        self._stdin, self._stdout = self._host.stdin, self._host.stdout

    def __enter__(self) -> "Victims":
        return self

    def __exit__(self, *_: object) -> None:
        self._stdin.close()
        self._host.wait(timeout=30)
        self._stdout.close()

    def work(self, seed: int, *, seconds: float) -> list[str]:
        """Let a process work for a while, kill it, and return what it had ended by then."""
        self._stdin.write(f"{seed}\n".encode())
        self._stdin.flush()
        pid = int(self._stdout.readline())
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        found = []
        while not (line := self._stdout.readline().decode().strip()).startswith("ended"):
            assert line, "the process that forks is gone"
            found.append(line)
        assert line == f"ended {-signal.SIGKILL}", f"it ended by itself: {line}"
        return found


@pytest.mark.timeout(300)
def test_nothing_is_left_over_after_kills(
    me: Any,
    plan: Any,
    database: Database,
    role_urls: RoleUrls,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    plan(me)  # makes the engine known
    # Worked on while they are changed and erased.
    items = [{"content": f"Memory number {n} of the ones that come and go.", "extract": "none"} for n in range(300)]
    assert me.post("/v1/memories/batch", json={"items": items}).status_code == 200
    folder, rng, done, kills = tmp_path / "kv", Random(7), Counter[str](), 0
    started = time.monotonic()
    with Victims(role_urls.service, str(folder), str(me.tenant_id)) as victims:
        while done.total() < OPERATIONS:
            assert time.monotonic() - started < MOST_S, f"only {done.total()} operations: {done}"
            said = victims.work(kills, seconds=rng.uniform(0.1, 2.0))
            kills += 1
            done.update(line.split()[0] for line in said if len(line.split()) > 1)
    store = FolderStore(folder)
    sweep_all(database, store)
    left = {stored.name for stored in store.listing()}
    with database.transaction(me.tenant_id) as session:
        rows = session.execute(
            text("SELECT id, state, has_blob FROM kv_memory WHERE tenant_id = :tenant"), {"tenant": me.tenant_id}
        ).all()
        blocks = session.scalar(
            text(
                "SELECT count(*) FROM kv_block b JOIN kv_memory m ON m.tenant_id = :tenant AND m.id = b.kv_memory_id "
                "WHERE b.tenant_id = :tenant AND m.state <> 'live'"
            ),
            {"tenant": me.tenant_id},
        )
        outdated = session.scalar(
            text(
                "SELECT count(*) FROM kv_source s JOIN kv_memory k ON k.tenant_id = :tenant AND k.id = s.kv_memory_id "
                "LEFT JOIN memory m ON m.tenant_id = :tenant AND m.id = s.memory_id "
                "LEFT JOIN memory_version v ON v.tenant_id = :tenant AND v.id = s.memory_id AND v.version = s.version "
                "WHERE s.tenant_id = :tenant AND k.state = 'live' AND (m.id IS NULL "
                "OR m.version <> s.version AND m.speaker IS DISTINCT FROM v.speaker)"
            ),
            {"tenant": me.tenant_id},
        )
    live = {row.id for row in rows if row.state == "live"}
    named = {named_by(name) for name in left}
    orphans, dangling = named - {(me.tenant_id, one) for one in live}, {(me.tenant_id, one) for one in live} - named
    record_property(
        f"{done.total()} random operations on KV memories, {kills} times kill -9: blobs without a record / records without one",
        f"{len(orphans)} / {len(dangling)}, {len(live)} live; {time.monotonic() - started:.0f} s, {dict(done)}",
    )
    assert live
    assert not orphans
    assert not dangling
    assert not [row for row in rows if row.state == "stale" and row.has_blob]
    assert (blocks, outdated) == (0, 0)
    assert kills >= 5
    assert min(done[name] for name in ("save", "load", "erase", "change", "delete", "sweep")) > 0
