"""The encoders of one process: its own from the start, others when somebody first needs them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from memory_service.encoder.batching import BatchingEncoder
from memory_service.encoder.loading import LoadedEncoder
from memory_service.encoder.protocol import Encoder
from memory_service.encoder.queued import Kind

LOOKED_AGAIN_S = 5.0  # after so long the process asks anew how many encoders the database knows


@dataclass(frozen=True, slots=True)
class Served:
    """An encoder that serves: the model, and the threads in which its batches run."""

    encoder: LoadedEncoder
    batching: BatchingEncoder

    @classmethod
    def of(
        cls,
        encoder: LoadedEncoder,
        *,
        threads: int,
        inner: Encoder | None = None,
        observer: Callable[[Kind, int], None] | None = None,
    ) -> "Served":
        """Serve a model.

        Args:
            encoder: the model.
            threads: how many batches of passages run at a time, where its runtime lets several threads in.
            inner: what encodes, where that is more than the model itself.
            observer: hears of every batch.
        """
        side_by_side = threads if encoder.runs_side_by_side else 1
        return cls(encoder, BatchingEncoder(inner or encoder, threads=side_by_side, observer=observer))

    def close(self) -> None:
        """Stop the threads and let the model go."""
        self.batching.close()
        self.encoder.close()


class Encoders:
    """Encoders by their ids in the database; each has batching threads of its own, so that none waits for another."""

    def __init__(
        self,
        own_id: int,
        own: Served,
        *,
        load: Callable[[int], Served],
        count: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve one from the start; `load` brings another, `count` says how many the database knows."""
        self._served: dict[int, Served] = {own_id: own}
        self._load = load
        self._count = count
        self._monotonic = monotonic
        self._loading: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()
        self._several = False
        self._looked_at: float | None = None

    def get(self, encoder_id: int) -> Served:
        """Return an encoder, loading it first where nobody has needed it yet; others are served meanwhile.

        Raises:
            Unavailable: it cannot be loaded here.
        """
        found = self._served.get(encoder_id)
        if found is not None:
            return found
        with self._lock:
            loading = self._loading.setdefault(encoder_id, threading.Lock())
        with loading:
            found = self._served.get(encoder_id)
            if found is None:
                found = self._served[encoder_id] = self._load(encoder_id)
            return found

    @property
    def several(self) -> bool:
        """Say whether the database knew more than one encoder a few seconds ago; once it did, it is not asked again."""
        if not self._several:
            now = self._monotonic()
            if self._looked_at is None or now - self._looked_at >= LOOKED_AGAIN_S:
                self._looked_at = now
                self._several = self._count() > 1
        return self._several

    def close(self) -> None:
        """Close every encoder."""
        with self._lock:
            served, self._served = self._served, {}
        for one in served.values():
            one.close()
