"""What the scheduler knows about one request: what of it is stored, what is being loaded, what is to be saved. No vLLM here."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from memory_vllm.chain import is_digest
from memory_vllm.store import Grant, StoredRun, longest

PARAMETERS: Final = "memory_service"
"""Our part of a request's `kv_transfer_params`."""
MOST_BLOCKS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's parameters say: which blocks are of its plan, and how many of them may be saved; None: all."""

    grant: Grant
    block_hashes: tuple[str, ...] | None = None
    admitted: int | None = None


def read_parameters(parameters: Mapping[str, Any] | None) -> Asked | None:
    """Return what a request's `kv_transfer_params` say to us, None where they hold no grant.

    >>> read_parameters({"memory_service": {"grant": "kvg1.x"}})
    Asked(grant=Grant(token='kvg1.x', plan_id=None), block_hashes=None, admitted=None)
    >>> read_parameters({"memory_service": {"grant": ""}}), read_parameters(None), read_parameters({"x": 1})
    (None, None, None)
    """
    said = parameters.get(PARAMETERS) if isinstance(parameters, Mapping) else None
    if not isinstance(said, Mapping):
        return None
    token, plan, hashes, admitted = (said.get(name) for name in ("grant", "plan_id", "block_hashes", "admitted"))
    # It becomes a header, where a line's end would begin another one.
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not 0 < len(token) <= 4096:
        return None
    if " " in token:
        return None
    if hashes is not None and not (isinstance(hashes, Sequence) and all(is_digest(one) for one in hashes)):
        hashes = ()
    return Asked(
        Grant(token, plan if isinstance(plan, str) and len(plan) <= 64 else None),
        None if hashes is None else tuple(hashes[:MOST_BLOCKS]),
        max(0, admitted) if type(admitted) is int else None,
    )


def common(own: Sequence[str], planned: Sequence[str] | None) -> tuple[str, ...]:
    """Return the beginning of the engine's own hashes that the plan names, too.

    The plan's hashes come with the request and are believed no further: a grant for one prompt is no right to save another's.

    >>> common("abc", "abd"), common("abc", None), common("abc", "x")
    (('a', 'b'), ('a', 'b', 'c'), ())
    """
    if planned is None:
        return tuple(own)
    count = 0
    for mine, theirs in zip(own, planned, strict=False):
        if mine != theirs:
            break
        count += 1
    return tuple(own[:count])


@dataclass(slots=True)
class Tracked:
    """One request.

    Attributes:
        grant: by which it looks up, loads and saves
        hashes: of the blocks that may be
        token_ids: of the prompt
        lookup: the answer of the store, now or later
        admitted: how many of its blocks may be saved
        block_ids: where its blocks lie in the engine, from the first token on
        waiting: from which block to which is to be loaded in this step
        loading: from which block to which is being loaded
        failed: whether a load has failed, after which none is tried again
        kept_from: from which block on the store has nothing, as far as a failed load has taught
        saved: whether what it computes is saved already
    """

    grant: Grant
    hashes: tuple[str, ...]
    token_ids: Sequence[int]
    lookup: "Future[list[StoredRun]]"
    admitted: int
    block_ids: list[int] = field(default_factory=list)
    waiting: tuple[int, int] | None = None
    loading: tuple[int, int] | None = None
    failed: bool = False
    kept_from: int | None = None
    saved: bool = False

    def runs(self) -> list[StoredRun] | None:
        """Return what the store has, None while it has not answered; nothing where it did not."""
        if not self.lookup.done():
            return None
        if self.lookup.cancelled() or self.lookup.exception() is not None:
            return []
        return longest(self.lookup.result(), len(self.hashes))

    def loadable(self, *, computed: int, most: int) -> int | None:
        """Return how many blocks to load after the first `computed`, of at most `most` blocks; None: ask again later."""
        most = min(most, len(self.hashes))
        if self.failed or most <= computed:
            return 0
        runs = self.runs()
        if runs is None:
            return None
        return max(0, min(most, sum(run.count for run in runs)) - computed)

    def unsaved(self, computed: int) -> tuple[int, int] | None:
        """Return from which block to which to save once `computed` blocks are computed; None: nothing, or not yet."""
        if self.saved or computed < self.admitted or not self.lookup.done():
            return None
        self.saved = True
        if self.lookup.cancelled() or self.lookup.exception() is not None:
            return None  # A store that does not answer takes nothing either.
        first = self.kept_from
        if first is None:
            first = sum(run.count for run in self.runs() or ())
        return (first, self.admitted) if first < self.admitted else None

    def lost(self, invalid: Iterable[int]) -> int:
        """Return how many blocks are computed after all, because these could not be loaded."""
        if self.loading is None:
            return 0
        broken = set(invalid)
        first, end = self.loading
        for at in range(first, end):
            if self.block_ids[at] in broken:
                self.failed, self.kept_from = True, at
                return end - at
        return 0
