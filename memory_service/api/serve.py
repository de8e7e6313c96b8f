"""One of several API processes behind a socket: `python -m memory_service.api.serve --socket 3 --shared FOLDER --name api-2`.

`memory-service run` starts them. Each accepts connections from the same socket; what they have in common lies in a folder:
that keys were revoked, how often each key asked (``sharing``), and what Prometheus reads. The numbers of a process go by its
name, not by its process id: who is started again goes on counting where its predecessor was killed.
"""

import argparse
import contextlib
import os
import resource
import socket
from pathlib import Path

from memory_service.mapping import fill

# What Prometheus reads of one process: kinds of numbers, and the room for them. A histogram takes 17 numbers of some 200 bytes.
NUMBERS = {"counter": 1 << 18, "gauge_livesum": 1 << 16, "histogram": 1 << 22}

MOST_FILES = 65_536  # connections are files to the system, and every one that waits costs some kilobytes here


def allow_connections() -> None:
    """Open as many files as this process may: the usual 1,024 are for programs that cannot count further.

    Once they are used up, connections are accepted and closed at once, though another process would have served them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # A system may allow less than it says; what there was stays.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True, action="append", help="descriptor of a bound socket")
    parser.add_argument("--shared", type=Path, required=True, help="folder in common with the others")
    parser.add_argument("--name", required=True, help="different from those of the others")
    parser.add_argument("--grace", type=int, default=8, help="seconds for requests under way when it is to stop")
    options = parser.parse_args()
    allow_connections()
    for kind, size in NUMBERS.items():
        fill(options.shared / f"{kind}_{options.name}.db", size)
    # Where values are kept is decided when the library is imported.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(options.shared)
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: str(options.name))  # type: ignore[no-untyped-call]
    import uvicorn

    from memory_service.api.app import create_app
    from memory_service.api.connections import BoundedHttp
    from memory_service.pulse import Pulse

    config = uvicorn.Config(
        # Made by uvicorn, after it set up logging, which the application then changes.
        lambda: create_app(shared=options.shared, pulse=Pulse(options.shared, options.name)),
        factory=True,
        http=BoundedHttp,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=options.grace,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=number) for number in options.socket])


if __name__ == "__main__":
    main()
