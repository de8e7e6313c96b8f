"""One of several API processes behind a socket: `python -m memory_service.api.serve --socket 3 --shared FOLDER --name api-2`.

`memory-service run` starts them. Each accepts connections from the same socket; what they have in common lies in a folder:
that keys were revoked, how often each key asked (``sharing``), and what Prometheus reads. The numbers of a process go by its
name, not by its process id: who is started again goes on counting where its predecessor was killed.
"""

import argparse
import os
import socket
import sys
from pathlib import Path


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the bound socket")
    parser.add_argument("--shared", type=Path, required=True, help="folder in common with the others")
    parser.add_argument("--name", required=True, help="different from those of the others")
    parser.add_argument("--grace", type=int, default=8, help="seconds for requests under way when it is to stop")
    options = parser.parse_args()
    # Where values are kept is decided when the library is imported.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(options.shared)
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: str(options.name))  # type: ignore[no-untyped-call]
    import uvicorn

    from memory_service.api.app import create_app

    config = uvicorn.Config(
        # Made by uvicorn, after it set up logging, which the application then changes.
        lambda: create_app(shared=options.shared),
        factory=True,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=options.grace,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[socket.socket(fileno=options.socket)])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
