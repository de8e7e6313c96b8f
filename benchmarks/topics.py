"""Grow a topic tree and say how deep it gets and what an insertion costs.

    python -m benchmarks.topics [--memories 50000] [--out RESULT.json]

The vectors are made: subjects within themes, and memories about those, with the cosines of conversations under the packaged
encoder (a median of .07, a nearest neighbour at .5). Beside that mixture stand the worst streams that may come:
near-identical texts, texts that have nothing in common, one subject after the other. Time depends on the machine; the
children that a new memory is compared with do not.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import require_writable, write_result
from consolidation.structure.topic_tree import LEAF, Tree

DIMENSION: Final = 384
WINDOW: Final = 500
"""Insertions that are timed together, the last before each mark."""
MARKS: Final = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)

Vectors = NDArray[np.float32]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.topics")
    parser.add_argument("--memories", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=RESULTS / "topics.json")
    options = parser.parse_args(argv)
    require_writable(options.out)
    streams = {}
    for name, make in STREAMS.items():
        vectors = make(options.memories, np.random.default_rng(0))
        streams[name] = grown(vectors)
        print(shown(name, streams[name]), flush=True)
    write_result(options.out, {**provenance(), "kind": "topics", "memories": options.memories, "streams": streams})


def grown(vectors: Vectors) -> dict[str, Any]:
    """Insert all vectors; return depth, number of topics, and cost at some sizes."""
    tree, new_ids = Tree(vectors.shape[1]), (UUID(int=number) for number in count(10**9))
    marks: list[dict[str, Any]] = []
    began = time.process_time()
    lap = 0.0
    for number, vector in enumerate(vectors, start=1):
        if number + WINDOW - 1 in MARKS:
            lap = time.process_time()
        tree.add(UUID(int=number), vector, new_ids=new_ids)
        if number in MARKS:
            marks.append(
                {
                    "memories": number,
                    "depth": tree.depth,
                    "topics": len(tree.nodes),
                    "microseconds": round(1e6 * (time.process_time() - lap) / WINDOW, 1),
                    "compared": round(compared(tree, vectors[number - WINDOW : number]), 1),
                }
            )
    sizes = [leaf.size for leaf in tree.leaves()]
    return {
        "marks": marks,
        "seconds": round(time.process_time() - began, 2),
        "depth": tree.depth,
        "leaves": len(sizes),
        "mean_leaf": round(float(np.mean(sizes)), 2),
        "compared_by_log": round(slope([(m["memories"], m["compared"]) for m in marks]), 2),
    }


def compared(tree: Tree, vectors: Vectors) -> float:
    """Return with how many children a memory is compared on its way down, on average."""
    total = 0
    for vector in vectors:
        node = tree.root
        while node.level > LEAF:
            total += len(node.children)
            node = max(node.children, key=lambda child: float(child.direction @ vector))
    return total / len(vectors)


def slope(points: Sequence[tuple[int, float]]) -> float:
    """Return by how much a cost grows per doubling of the size: the least squares line over log₂ n.

    >>> slope([(2, 1.0), (4, 3.0), (8, 5.0)])
    2.0
    """
    if len(points) < 2:
        return math.nan
    gradient, _ = np.polyfit([math.log2(size) for size, _ in points], [cost for _, cost in points], 1)
    return round(float(gradient), 9)


def shown(name: str, found: dict[str, Any]) -> str:
    """Write one stream for people."""
    marks = "; ".join(
        f"{m['memories']}: depth {m['depth']}, {m['compared']} compared, {m['microseconds']:.0f} µs"
        for m in found["marks"]
    )
    return (
        f"{name}: depth {found['depth']}, {found['leaves']} leaves of {found['mean_leaf']}, {found['seconds']} s in all, "
        f"{found['compared_by_log']} more compared per doubling\n  {marks}"
    )


def _unit(vectors: NDArray[np.float64]) -> Vectors:
    found: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def _mixture(n: int, rng: np.random.Generator) -> Vectors:
    """Return memories of n / 50 subjects, popular and rare ones, in themes of about twenty."""
    subjects = max(20, n // 50)
    themes = rng.standard_normal((max(3, subjects // 20), DIMENSION))
    common = rng.standard_normal(DIMENSION)
    centres = (
        common * 0.3
        + themes[rng.integers(0, len(themes), subjects)] * 0.45
        + rng.standard_normal((subjects, DIMENSION)) * 0.75
    )
    share = 1 / (1 + np.arange(subjects)) ** 0.7
    of = rng.choice(subjects, n, p=share / share.sum())
    return np.concatenate(
        [
            _unit(centres[some] + rng.standard_normal((len(some), DIMENSION)))
            for some in np.array_split(of, max(1, n // 5_000))
        ]
    )


def _near_identical(n: int, rng: np.random.Generator) -> Vectors:
    return _unit(rng.standard_normal(DIMENSION) + 0.01 * rng.standard_normal((n, DIMENSION)))


def _nothing_in_common(n: int, rng: np.random.Generator) -> Vectors:
    return _unit(rng.standard_normal((n, DIMENSION)))


def _one_after_the_other(n: int, rng: np.random.Generator) -> Vectors:
    centres = rng.standard_normal((max(1, n // 100), DIMENSION))
    return _unit(np.repeat(centres, 100, axis=0)[:n] + rng.standard_normal((min(n, 100 * len(centres)), DIMENSION)))


STREAMS: Final[dict[str, Callable[[int, np.random.Generator], Vectors]]] = {
    "mixture": _mixture,
    "near-identical": _near_identical,
    "nothing in common": _nothing_in_common,
    "one subject after the other": _one_after_the_other,
}


if __name__ == "__main__":
    main()
