"""Our service as a contestant: over HTTP, as a client would, with its records' own fields."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.datasets import Question
from benchmarks.ledger import Ledger
from benchmarks.loading import LoadReport, send
from benchmarks.peers.contestants import Answers, ContestantFailed, Memory
from benchmarks.peers.material import Talk
from benchmarks.process_tree import usage
from benchmarks.subject import REQUEST_TIMEOUT_S, Wire
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure

BATCH = 200
LOCAL = ("127.0.0.1", "::1", "localhost")


class ServiceContestant:
    """One client; what the service uses is told where it is the embedded one of ``data_dir``."""

    def __init__(self, connection: Connection, *, data_dir: Path, run: str) -> None:
        """Connect.

        Args:
            connection: where the service is.
            data_dir: data folder of the embedded service, of no meaning for any other.
            run: goes into the namespaces, so that every run has fresh ones.

        Raises:
            CommandFailure: the service cannot be reached or does not accept the key.
        """
        self._run = run
        local = urlsplit(connection.url).hostname in LOCAL
        self._data_dir = data_dir if local and (data_dir / "run" / "parts.json").exists() else None
        self._client = ServiceClient(connection, timeout_s=REQUEST_TIMEOUT_S)
        self._client.get(
            "/v1/namespaces", prefix="bench"
        )  # An unreachable service or a wrong key is found out before an hour of peers.
        self._wire = Wire(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._wire.close()

    @property
    def version(self) -> str:
        """Return the version of this checkout; its revision stands at the head of the results."""
        return version("memory-service")

    def store(self, talk: Talk) -> float:
        """Store a conversation in batches; the seconds are those the client waited."""
        report = LoadReport()
        with _as_contestant():
            send(self._client, talk.items, namespace=self._namespace(talk), batch_size=BATCH, report=report)
        if report.rejected:
            raise ContestantFailed(f"{report.rejected} memories were rejected, the first: {report.first_rejection}")
        return report.seconds

    def settle(self) -> None:
        """Wait for the worker where we can look at it."""
        if self._data_dir is not None:
            with _as_contestant(), Ledger(self._data_dir) as ledger:
                ledger.await_idle()

    def ask(self, talk: Talk, questions: Sequence[Question], *, k: int) -> Answers:
        """Ask the questions; the times are those the client waited."""
        with _as_contestant():
            found = [self._search(talk, self._body(question.text, question, k=k)) for question in questions]
        return Answers(milliseconds=tuple(taken for taken, _ in found), ids=tuple(ids for _, ids in found))

    def warm_up(self, talk: Talk, *, k: int) -> None:
        """Ask queries that are not measured."""
        with _as_contestant():
            for query in talk.warm_up:
                self._search(talk, self._body(query, None, k=k))

    def encode(self, text: str) -> None:
        """Show no vector: the service has no operation that does."""

    def disk_bytes(self) -> int | None:
        """Return the size of the whole database."""
        if self._data_dir is None:
            return None
        with _as_contestant(), Ledger(self._data_dir) as ledger:
            return ledger.database_bytes()

    def memory(self) -> Memory | None:
        """Return the memory of all processes: API, worker, beat, broker, Postgres."""
        if self._data_dir is None:
            return None
        with _as_contestant():
            used = usage(self._data_dir)
        return Memory(rss_mib=used.rss_mib, pss_mib=used.pss_mib)

    def _namespace(self, talk: Talk) -> str:
        return f"bench/{self._run}/{talk.namespace}"

    @staticmethod
    def _body(query: str, question: Question | None, *, k: int) -> dict[str, Any]:
        asked_at = question.asked_at if question else None
        return {"query": query, "top_k": k, **({"now": asked_at.isoformat()} if asked_at else {})}

    def _search(self, talk: Talk, body: dict[str, Any]) -> tuple[float, tuple[str, ...]]:
        taken, answer = self._wire.post("/v1/search", {**body, "namespace": self._namespace(talk)})
        return taken, tuple(str(one["memory"]["external_id"]) for one in answer["results"])


@contextmanager
def _as_contestant() -> Iterator[None]:
    """Turn the failure of a command into that of a contestant."""
    try:
        yield
    except CommandFailure as failure:
        raise ContestantFailed(str(failure)) from failure
