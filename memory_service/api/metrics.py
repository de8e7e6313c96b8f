"""What the operator's Prometheus reads: no tenant, no content, nothing but numbers."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.pool import Pool, QueuePool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memory_service.encoder import LoadedEncoder
    from memory_service.encoder.protocol import Tokenized

REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_1_0_0


class Metrics:
    """The numbers of one process, or of all that keep theirs in a folder, in a registry of their own."""

    def __init__(self, folder: Path | None = None) -> None:
        """Start at zero, or where the process stopped whose place this one takes.

        Args:
            folder: where all processes of this service keep their numbers (see ``serve``); None for those of this alone.
        """
        self.registry = CollectorRegistry()
        self._all = self.registry if folder is None else CollectorRegistry()
        if folder is not None:
            MultiProcessCollector(self._all, str(folder))  # type: ignore[no-untyped-call]
        self._connections: _Connections | None = None
        self._requests = Histogram(
            "memory_service_request_seconds",
            "Time from the first byte of a request to the last byte of its answer.",
            ("method", "route", "status"),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "memory_service_encoder_batch_size",
            "Texts that the encoder took in one batch.",
            ("kind",),
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._encoder_seconds = Counter(
            "memory_service_encoder_seconds",
            "Time the encoder has worked, tokenising included.",
            registry=self.registry,
        )
        self._encoder_cpu_seconds = Counter(
            "memory_service_encoder_cpu_seconds",
            "CPU time of the threads in which the encoder works.",
            registry=self.registry,
        )
        self._redactions = Counter(
            "memory_service_redactions",
            "Values that redaction policies kept from being stored, by what found them and what was done.",
            ("kind", "do"),
            registry=self.registry,
        )
        self.chats = ChatMetrics(self.registry)
        self.kv = KvMetrics(self.registry)
        # labels() builds and hashes a tuple of strings under a lock; there are few combinations, so they are kept.
        self._observers: dict[tuple[str, str, int], Callable[[float], None]] = {}

    def request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is a template, so that ids make no series of their own."""
        key = (method, route, status)
        observe = self._observers.get(key)
        if observe is None:
            observe = self._observers[key] = self._requests.labels(method, route, str(status)).observe
        observe(seconds)
        if self._connections is not None:
            self._connections.note()

    def encoder_batch(self, kind: str, size: int) -> None:
        """Count one batch of the encoder."""
        self._batches.labels(kind).observe(size)

    def encoder_time(self, seconds: float, cpu_seconds: float) -> None:
        """Add time the encoder has worked, by the clock and by its thread."""
        self._encoder_seconds.inc(seconds)
        self._encoder_cpu_seconds.inc(cpu_seconds)

    def redacted(self, kind: str, do: str, values: int) -> None:
        """Count values that a rule found; ``kind`` is that of the finder, never a name that somebody chose."""
        self._redactions.labels(kind, do).inc(values)

    def watch_pool(self, pool: Pool) -> None:
        """Report the connections of a pool."""
        if self._all is self.registry:
            self.registry.register(_PoolCollector(pool))
        elif isinstance(pool, QueuePool):
            self._connections = _Connections(pool, self.registry)

    def watch_upkeep(self, totals: Callable[[], Mapping[str, int] | None]) -> None:
        """Report what the upkeep of KV memories found; `totals` says None where that is not known."""
        self._all.register(_UpkeepCollector(totals))

    def render(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self._all)


class ChatMetrics:
    """What becomes of chats that are passed on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Start at zero."""
        self._answers = Counter(
            "memory_service_chat_answers", "Chats passed on, by how they ended.", ("outcome",), registry=registry
        )
        self._memories = Counter(
            "memory_service_chat_memories", "Memories put into the prompts of chats.", registry=registry
        )
        self._turns = Counter(
            "memory_service_chat_turns", "Turns of chats that were to be remembered.", ("outcome",), registry=registry
        )
        self._seconds = Histogram(
            "memory_service_chat_seconds",
            "Time until the prompt is ready, and from then to the first byte of the model's answer.",
            ("stage",),
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )

    def answered(self, outcome: str) -> None:
        """Count one chat: answered, refused, failed, broken or hung_up."""
        self._answers.labels(outcome).inc()

    def put_in(self, memories: int) -> None:
        """Count memories in a prompt."""
        self._memories.inc(memories)

    def turns(self, outcome: str, count: int) -> None:
        """Count turns: stored, refused or failed."""
        self._turns.labels(outcome).inc(count)

    def took(self, stage: str, seconds: float) -> None:
        """Count the time of a stage: prompt or model."""
        self._seconds.labels(stage).observe(seconds)


class KvMetrics:
    """What engines save, look up and load."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Start at zero."""
        self._saves = Counter(
            "memory_service_kv_saves",
            "KV memories that arrived, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self._bytes = Counter(
            "memory_service_kv_bytes",
            "Bytes of KV memories that came in or went out.",
            ("direction",),
            registry=registry,
        )
        self._blocks = Counter(
            "memory_service_kv_blocks",
            "Blocks in look-ups: asked for, found, and missed.",
            ("kind",),
            registry=registry,
        )
        self._loads = Counter(
            "memory_service_kv_loads", "KV memories asked for, by what became of it.", ("outcome",), registry=registry
        )

    def saved(self, outcome: str, size: int) -> None:
        """Count a save: stored, present or refused."""
        self._saves.labels(outcome).inc()
        self._bytes.labels("in").inc(size)

    def loaded(self, size: int) -> None:
        """Count a load."""
        self._loads.labels("served").inc()
        self._bytes.labels("out").inc(size)

    def not_loaded(self, outcome: str) -> None:
        """Count a load that gave nothing: stale, lost or damaged."""
        self._loads.labels(outcome).inc()

    def looked_up(self, asked: int, found: int) -> None:
        """Count a look-up."""
        self._blocks.labels("asked").inc(asked)
        self._blocks.labels("found").inc(found)
        self._blocks.labels("missed").inc(asked - found)


class _UpkeepCollector(Collector):
    """Shows what the upkeep of KV memories found in all processes and workers; nothing while that is not known."""

    def __init__(self, totals: Callable[[], Mapping[str, int] | None]) -> None:
        self._totals = totals

    def collect(self) -> Iterable[CounterMetricFamily]:
        found = CounterMetricFamily(
            "memory_service_kv_upkeep",
            "What comparing the store of KV memories with its records found, by all processes together.",
            labels=("what",),
        )
        for what, count in (self._totals() or {}).items():
            found.add_metric((what,), count)
        yield found


class _PoolCollector(Collector):
    """Reads a pool when it is asked, so that a request costs nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterable[GaugeMetricFamily]:
        gauge = GaugeMetricFamily("memory_service_database_connections", "Connections of the pool.", labels=("state",))
        if isinstance(self._pool, QueuePool):
            gauge.add_metric(("in_use",), self._pool.checkedout())
            gauge.add_metric(("idle",), self._pool.checkedin())
        yield gauge


class _Connections:
    """Notes after every request what a pool holds, for another process may be asked for the sum."""

    def __init__(self, pool: QueuePool, registry: CollectorRegistry) -> None:
        self._pool = pool
        gauge = Gauge(
            "memory_service_database_connections",
            "Connections of the pool.",
            ("state",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._in_use, self._idle = gauge.labels("in_use"), gauge.labels("idle")

    def note(self) -> None:
        self._in_use.set(self._pool.checkedout())
        self._idle.set(self._pool.checkedin())


class TimedEncoder:
    """An encoder that says how long it worked."""

    def __init__(self, inner: "LoadedEncoder", metrics: Metrics) -> None:
        """Wrap ``inner``."""
        self._inner = inner
        self._metrics = metrics

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Encode with ``inner``."""
        with self._timed():
            return self._inner.encode(texts)

    def tokenize(self, texts: Sequence[str]) -> "list[Tokenized]":
        """Tokenise with ``inner``; that is a part of encoding, wherever it is done."""
        with self._timed():
            return self._inner.tokenize(texts)

    def encode_tokenized(self, texts: "Sequence[Tokenized]") -> "NDArray[np.float32]":
        """Encode with ``inner``."""
        with self._timed():
            return self._inner.encode_tokenized(texts)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        # The encoder computes in the thread that calls it, so that the CPU time of that thread is its own.
        started, cpu_started = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._metrics.encoder_time(time.perf_counter() - started, time.thread_time() - cpu_started)
