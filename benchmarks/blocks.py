"""Compare two systems on one machine: never at the same time, in alternating blocks, by medians."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.metrics import median

Block = Callable[[int], list[float]]
"""Runs block number n and returns its measurements."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measurements of both systems, block by block, without the warm-up."""

    floor: list[list[float]]
    service: list[list[float]]

    @property
    def floor_median(self) -> float:
        """The floor's median over all blocks."""
        return median([one for block in self.floor for one in block])

    @property
    def service_median(self) -> float:
        """The service's median over all blocks."""
        return median([one for block in self.service for one in block])

    @property
    def ratio(self) -> float:
        """Service over floor, of the medians."""
        return self.service_median / self.floor_median

    @property
    def block_ratios(self) -> list[float]:
        """Service over floor in each pair of blocks, which shows how steady the machine was."""
        return [median(mine) / median(theirs) for mine, theirs in zip(self.service, self.floor, strict=True)]


def alternate(blocks: int, *, floor: Block, service: Block, done: Callable[[], Any] = lambda: None) -> Comparison:
    """Run one warm-up pair (block 0) and then ``blocks`` pairs; who goes first changes with every pair.

    >>> order = []
    >>> def run(name): return lambda number: order.append(f"{name}{number}") or [1.0]
    >>> alternate(2, floor=run("f"), service=run("s")).ratio
    1.0
    >>> order
    ['f0', 's0', 's1', 'f1', 'f2', 's2']
    """
    return alternate_all(blocks, floor=floor, services={"service": service}, done=done)["service"]


def alternate_all(
    blocks: int, *, floor: Block, services: Mapping[str, Block], done: Callable[[], Any] = lambda: None
) -> dict[str, Comparison]:
    """Run one warm-up round (block 0) and then ``blocks`` rounds of everybody; who goes first changes with every round.

    >>> order = []
    >>> def run(name): return lambda number: order.append(f"{name}{number}") or [1.0]
    >>> sorted(alternate_all(2, floor=run("f"), services={"a": run("a"), "b": run("b")}))
    ['a', 'b']
    >>> order
    ['f0', 'a0', 'b0', 'a1', 'b1', 'f1', 'b2', 'f2', 'a2']
    """
    everybody = [("floor", floor), *services.items()]
    measured: dict[str, list[list[float]]] = {name: [] for name, _ in everybody}
    for number in range(blocks + 1):
        first = number % len(everybody)
        for name, run in everybody[first:] + everybody[:first]:
            values = run(number)
            if number:
                measured[name].append(values)
        done()
    return {name: Comparison(floor=measured["floor"], service=measured[name]) for name in services}
