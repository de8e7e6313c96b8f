"""A peer of a few lines, run as a process of its own: it speaks the protocol, and fails in the way that it is asked to.

It finds memories by the words they share with a query. Not a test itself.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

stored: dict[str, list[dict[str, Any]]] = {}


def answer(request: dict[str, Any], *, setup: str, folder: Path) -> dict[str, Any]:
    match request["job"]:
        case "encode":
            return {"vector": [1.0, 0.0]}
        case "size":
            return {"bytes": None}
        case "store" if setup == "cannot store":
            return {"failed": "ValueError: no room"}
        case "store":
            stored[request["namespace"]] = request["memories"]
            (folder / f"{request['namespace']}.json").write_text(json.dumps(request["memories"]))
            return {"seconds": 0.5}
        case "search" if setup == "hangs":
            time.sleep(60)
        case "search" if setup == "dies":
            print("the index is on fire", file=sys.stderr, flush=True)
            os._exit(3)
        case "search":
            return {
                "milliseconds": [2.0] * len(request["queries"]),
                "ids": [best(query, stored[request["namespace"]], k=request["k"]) for query in request["queries"]],
            }
    raise ValueError(request)


def best(query: str, memories: list[dict[str, Any]], *, k: int) -> list[str]:
    asked = set(query.lower().strip("?").split())
    ranked = sorted(memories, key=lambda memory: -len(asked & set(memory["text"].lower().strip(".").split())))
    return [memory["id"] for memory in ranked[:k]]


def main() -> None:
    opening = json.loads(sys.stdin.readline())
    folder = Path(opening["folder"])
    (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    if opening["setup"] == "leaves a daemon":
        sleeper = [sys.executable, "-c", "import time; time.sleep(300)"]
        subprocess.Popen(sleeper, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(json.dumps({"version": "1.2.3"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), setup=opening["setup"], folder=folder)), flush=True)


if __name__ == "__main__":
    main()
