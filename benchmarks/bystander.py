"""Somebody else who writes while a service is at something long, and waits until what was written is enriched."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

from memory_service.cli.client import ServiceClient

LOOK_EVERY_S = 0.05
PATIENCE_S = 600.0


class Bystander:
    """Writes one memory after the other, the next once the last is enriched; `waits` are the seconds of each."""

    def __init__(self, connect: Callable[[], ServiceClient], *, namespace: str) -> None:
        """Prepare; the thread that writes opens a connection of its own."""
        self.waits: list[float] = []
        self._connect = connect
        self._namespace = namespace
        self._end = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="bystander")

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop after the memory that is waited for.

        Raises:
            Exception: what ended the writing before; without an error of its own in the block only.
        """
        self._end.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def found(self) -> dict[str, Any]:
        """Return how many memories were written, and the median and the longest wait in seconds."""
        return {"memories": len(self.waits), "p50_s": float(np.median(self.waits)), "max_s": max(self.waits)}

    def _run(self) -> None:
        try:
            with self._connect() as client:
                self.waits.append(self._wait(client))
                while not self._end.is_set():
                    self.waits.append(self._wait(client))
        except Exception as error:
            self._failure = error

    def _wait(self, client: ServiceClient) -> float:
        content = f"Margaret met Katherine in Houston at {len(self.waits)} o'clock."
        made = client.post("/v1/memories", {"content": content, "namespace": self._namespace})
        began = time.monotonic()
        while not client.get(f"/v1/memories/{made['id']}")["keywords"]:
            if time.monotonic() - began > PATIENCE_S:
                raise TimeoutError("a memory was not enriched in time")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - began
