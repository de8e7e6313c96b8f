"""Our end of the pipe to a peer's process: start it, ask it, and end it with everything that it started."""

import contextlib
import json
import os
import queue
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.datasets import Question
from benchmarks.floor import ONE_THREAD
from benchmarks.peers.contestants import Answers, ContestantFailed, Memory
from benchmarks.peers.marked import MARK, end_marked, marked, memory_of
from benchmarks.peers.material import Talk, plain
from benchmarks.provenance import CHECKOUT

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Nothing else of our environment: no key of a paid model, no address of our service."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
CLOSING_S = 20.0
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Command:
    """How a peer's process is started."""

    python: Path
    arguments: tuple[str, ...]
    setup: str
    environ: Mapping[str, str]
    postgres_url: str | None = None


class PeerProcess:
    """A peer in a process of its own; it waits on its pipe while others are measured."""

    def __init__(
        self, command: Command, *, folder: Path, budget_s: float, servers: Callable[[], list[psutil.Process]] = list
    ) -> None:
        """Start it.

        Args:
            command: what to start.
            folder: where it gets a new folder for everything it writes.
            budget_s: seconds that its calls may take together; then they fail.
            servers: finds the processes that work for it alone, whose memory is counted with its own.

        Raises:
            ContestantFailed: it did not open.
        """
        self._data, home = folder / "data", folder / "home"
        folder.mkdir(mode=0o700, parents=True)
        self._data.mkdir()
        home.mkdir()
        self._log = folder / "output.log"
        self.token = secrets.token_hex(8)
        """Marks its processes, see ``marked``."""
        self._servers = servers
        self._budget_s = budget_s
        self._left_s = budget_s
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(command.python), *command.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                cwd=folder,
                env={**self._environment(home), **command.environ},
                start_new_session=True,  # Ctrl-C reaches us, and we end it.
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            opened = self._request(
                {"setup": command.setup, "folder": str(self._data), "postgres_url": command.postgres_url}
            )
        except BaseException:
            self.close()
            raise
        self._version = str(opened["version"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def version(self) -> str:
        """Return the version of the peer's package."""
        return self._version

    def store(self, talk: Talk) -> float:
        """Store a conversation; the seconds are the peer's own, without the pipe."""
        memories = [plain(item) for item in talk.items]
        return float(self._request({"job": "store", "namespace": talk.namespace, "memories": memories})["seconds"])

    def settle(self) -> None:
        """Do nothing: a peer's call returns when its memories can be found."""

    def ask(self, talk: Talk, questions: Sequence[Question], *, k: int) -> Answers:
        """Ask the questions; the times are the peer's own."""
        return self._search(talk.namespace, [question.text for question in questions], k=k)

    def warm_up(self, talk: Talk, *, k: int) -> None:
        """Ask queries that are not measured."""
        self._search(talk.namespace, talk.warm_up, k=k)

    def encode(self, text: str) -> Sequence[float] | None:
        """Return the peer's own vector."""
        vector: list[float] | None = self._request({"job": "encode", "text": text})["vector"]
        return vector

    def disk_bytes(self) -> int:
        """Return what the peer says, else the size of its folder."""
        said = self._request({"job": "size"})["bytes"]
        return folder_bytes(self._data) if said is None else int(said)

    def memory(self) -> Memory:
        """Return the memory of the process, of all it started, and of its servers."""
        return memory_of([*marked(self.token), *self._servers()])

    def close(self) -> None:
        """End the process and everything that it started."""
        with contextlib.suppress(OSError):  # It may be gone already.
            assert self._process.stdin is not None
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A peer that took too long is in the middle of something: waiting for it would be in vain.
            self._process.wait(timeout=CLOSING_S if self._left_s > 0 else 0)
        end_marked(self.token)
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _environment(self, home: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
        own = {"HOME": str(home), "PYTHONPATH": str(CHECKOUT), MARK: self.token}
        return {**kept, **ONE_THREAD, **OFFLINE, **own}

    def _search(self, namespace: str, queries: Sequence[str], *, k: int) -> Answers:
        found = self._request({"job": "search", "namespace": namespace, "queries": list(queries), "k": k})
        return Answers(milliseconds=tuple(found["milliseconds"]), ids=tuple(tuple(ids) for ids in found["ids"]))

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # It ended; what it said last is still to be read.
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=max(0.0, self._left_s))
        except queue.Empty:
            raise ContestantFailed(f"not done after {self._budget_s / 60:.3g} minutes of its own") from None
        finally:
            self._left_s -= time.monotonic() - began
        if line is None:
            raise ContestantFailed(f"ended with status {self._process.wait()}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise ContestantFailed(str(answer["failed"])[:LONGEST_REASON])
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")[:LONGEST_REASON]


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files of a folder take on disk; holes in them take none."""
    sizes = []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # Temporary files come and go.
            if not path.is_symlink() and path.is_file():
                status = path.stat()
                sizes.append(status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size)
    return sum(sizes)
