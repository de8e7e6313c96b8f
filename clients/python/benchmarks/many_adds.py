"""Write many memories with many tasks through one client, and see that nothing fails, doubles, is lost or leaks.

python clients/python/benchmarks/many_adds.py [--adds 10000] [--tasks 32] [--out FILE]
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

from recording import record, target

from memory_client import AsyncMemoryClient

ADDS, TASKS = 10_000, 32


def open_files() -> int:
    """Return how many files and sockets this process holds."""
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(os.listdir(folder))


async def write_and_count(adds: int, tasks: int, out: Path | None) -> int:
    """Write, read back, count; return 0 when nothing went wrong."""
    namespace = f"benchmarks/{secrets.token_hex(4)}"
    before, began = open_files(), time.monotonic()
    numbers, ids, errors = iter(range(adds)), set(), []
    async with AsyncMemoryClient() as client:

        async def write() -> None:
            for number in numbers:
                try:
                    ids.add((await client.add(f"Note {number} of the log.", namespace=namespace, extract="none")).id)
                except Exception as error:  # Whatever it is, it counts as one.
                    errors.append(error)

        await asyncio.gather(*(write() for _ in range(tasks)))
        took, held = time.monotonic() - began, open_files() - before
        stored = {memory.id async for memory in client.list(namespace=namespace, limit=1000)}
    await asyncio.sleep(0)
    after = open_files()
    print(f"{adds} adds by {tasks} tasks in {took:.1f} s ({adds / took:.0f} per second), {len(errors)} errors")
    print(
        f"{len(stored)} stored, {len(ids - stored)} lost, {len(stored - ids)} not acknowledged, {adds - len(ids)} missing"
    )
    print(f"{held} connections held at the end of the writing, {max(after - before, 0)} left open after closing")
    for error in errors[:3]:
        print(repr(error))
    leaked = max(after - before, 0)
    wrong = {
        "errors": len(errors),
        "acknowledged but not stored": len(ids - stored),
        "stored but not acknowledged": len(stored - ids),
        "missing": adds - len(ids),
        "connections left open": leaked,
    }
    targets = [target(name, count, 0, "") for name, count in wrong.items()]
    targets.append(target("connections held at the end of the writing", held, tasks + 2, ""))
    measured = {"seconds": round(took, 1), "adds_per_second": round(adds / took, 1)}
    record(out, "client-many-adds", settings={"adds": adds, "tasks": tasks}, targets=targets, measured=measured)
    return int(not all(one["met"] for one in targets))


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adds", type=int, default=ADDS)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    return asyncio.run(write_and_count(given.adds, given.tasks, given.out))


if __name__ == "__main__":
    sys.exit(main())
