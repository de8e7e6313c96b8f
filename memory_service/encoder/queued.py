"""Texts that wait for an encoder: one request per caller, and what of them makes a batch."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.protocol import Tokenized

Kind = Literal["query", "passage"]

TOKENS_PER_BATCH: Final = 192
"""Padded tokens of one batch, about 45 ms of MiniLM on one core: the longest that a query waits for a passage."""

LENGTH_TOLERANCE: Final = 16
"""Tokens by which texts of one batch may differ: one run costs about as much as 10 to 20 tokens of padding."""

WINDOW: Final = 512
"""Texts are cut at the model's window, so a longer one costs no more than this."""


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of `text` from its bytes in UTF-8, for encoders that cannot measure it.

    >>> estimated_tokens("Where did we meet?")
    6
    """
    return min(WINDOW, len(text.encode("utf-8", "surrogatepass")) // 4 + 2)


@dataclass(slots=True, eq=False)
class Request:
    """The texts of one caller, written to under the encoder's lock.

    Attributes:
        kind: What they are.
        texts: In the caller's order.
        tokenized: The same texts with their tokens, none where the encoder takes texts only.
        costs: Tokens of each.
        pending: Positions that no batch has taken, shortest text last, so that batches pad little.
        missing: How many vectors are not there yet.
        vectors: float32[n, d], from the first batch on.
        done: What the caller waits for.
    """

    kind: Kind
    texts: Sequence[str]
    tokenized: Sequence[Tokenized]
    costs: list[int]
    pending: list[int]
    missing: int
    vectors: NDArray[np.float32] | None = None
    done: Future[NDArray[np.float32]] = field(default_factory=Future)

    def next_cost(self) -> int:
        """Return the tokens of the shortest text that no batch has taken."""
        return self.costs[self.pending[-1]]

    def fill(self, positions: list[int], vectors: NDArray[np.float32]) -> None:
        """Keep the vectors of a batch; the last ones answer the caller."""
        if self.vectors is None:
            self.vectors = np.empty((len(self.texts), vectors.shape[1]), dtype=np.float32)
        self.vectors[positions] = vectors
        self.missing -= len(positions)
        if self.missing == 0 and not self.done.done():
            self.done.set_result(self.vectors)

    def fail(self, error: BaseException) -> None:
        """Answer the caller with an error and drop what was not run."""
        self.pending.clear()
        if not self.done.done():
            self.done.set_exception(error)


Batch = list[tuple[Request, int]]


def take_batch(queue: deque[Request], *, most: int) -> Batch:
    """Take the oldest caller's shortest text and what is about as long off a queue, oldest callers first.

    Args:
        queue: Requests of one kind, at least one, each with texts that are pending; done ones leave it.
        most: Texts that a batch may hold.
    """
    batch: Batch = []
    head = longest = queue[0].next_cost()
    tolerance = max(LENGTH_TOLERANCE, head // 2)
    for request in queue:
        while request.pending and len(batch) < most:
            cost = request.next_cost()
            if abs(cost - head) > tolerance or (batch and (len(batch) + 1) * max(longest, cost) > TOKENS_PER_BATCH):
                break
            longest = max(longest, cost)
            batch.append((request, request.pending.pop()))
    first = queue.popleft()
    left = [request for request in queue if request.pending]
    queue.clear()
    queue.extend(left)
    if first.pending:
        queue.append(first)  # Callers take turns: a single text does not wait for somebody's thousand.
    return batch


def by_request(batch: Batch) -> list[tuple[Request, list[int], list[int]]]:
    """Return per caller the rows of the batch and the positions in its own texts."""
    shares: dict[int, tuple[Request, list[int], list[int]]] = {}
    for row, (request, position) in enumerate(batch):
        _, rows, positions = shares.setdefault(id(request), (request, [], []))
        rows.append(row)
        positions.append(position)
    return list(shares.values())
