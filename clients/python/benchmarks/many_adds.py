"""Write many memories with many tasks through one client, and see that nothing fails, doubles, is lost or leaks.

python clients/python/benchmarks/many_adds.py [ADDS] [TASKS]
"""

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

from memory_client import AsyncMemoryClient

ADDS, TASKS = 10_000, 32


def open_files() -> int:
    """Return how many files and sockets this process holds."""
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(os.listdir(folder))


async def main(adds: int, tasks: int) -> int:
    """Write, read back, count; return the number of things that went wrong."""
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
    return len(errors) + len(ids ^ stored) + max(after - before, 0) + (held > tasks + 2)


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    sys.exit(min(asyncio.run(main(*(given + [ADDS, TASKS][len(given) :]))), 1))
