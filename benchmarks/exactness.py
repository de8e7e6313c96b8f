"""The vector channel alone against an exact scan: are the first 50 the true first 50?

    python -m benchmarks.exactness

The same texts go into the service and, encoded in fp32 by the floor, into a numpy scan. Stored vectors have half
precision, so two memories whose true scores differ by less than ``TIE`` may change places; both counts are stated.
"""

import argparse
import sys

from benchmarks.floor import Floor
from benchmarks.metrics import mean
from benchmarks.readable import readable_failures
from benchmarks.subject import Subject, arguments, connection
from benchmarks.synthetic import questions, texts
from benchmarks.targets import Target, publish
from memory_service.cli.console import progress_bar

DEPTH = 50
TIE = 1e-3
"""Half precision keeps 11 bits: errors of a cosine of 384 products stay below this."""


def main() -> None:
    """Measure and publish."""
    options = _options()
    corpus = texts(options.memories, seed=options.seed)
    asked = questions(options.queries, seed=options.seed)
    space = f"bench/search/s{options.seed}-{options.memories}/n0"
    with Subject(connection(options)) as subject:
        if not options.reuse:
            subject.load(corpus, namespace=space)
        with Floor() as floor:
            floor.scan_texts(corpus)
            exact = floor.search(asked, k=min(2 * DEPTH, len(corpus)))
        strict, tolerant = [], []
        with progress_bar() as bar:
            for place, query in enumerate(bar.track(asked, description="searching")):
                found = subject.search(query, namespace=space, k=DEPTH, channels={"vector": 1.0})
                rows = {int(one.removeprefix("t")) for one in found.external_ids}
                one_strict, one_tolerant = agreement(rows, rows_exact=exact.rows[place], scores=exact.scores[place])
                strict.append(one_strict)
                tolerant.append(one_tolerant)
    target = Target(f"recall@{DEPTH} of the vector channel, ties apart", mean(tolerant), 1.0, at_most=False)
    measured = {
        "recall_strict": mean(strict),
        "recall_ties_apart": mean(tolerant),
        "worst_query_strict": min(strict),
        "worst_query_ties_apart": min(tolerant),
        "queries_with_all_strict": sum(one == 1.0 for one in strict),
    }
    settings = {"memories": options.memories, "queries": options.queries, "seed": options.seed, "tie": TIE}
    publish("exactness", targets=[target], settings=settings, measured=measured, out=options.out)


def agreement(rows: set[int], *, rows_exact: list[int], scores: list[float]) -> tuple[float, float]:
    """Return the share of the exact first DEPTH that was found: strictly, and counting ties with the last as found.

    ``rows_exact`` and ``scores`` go deeper than DEPTH, best first. A missing row is excused when its score lies within
    TIE of the last place's, and a row tied with that place was returned instead of it.

    >>> ranked = list(range(52))
    >>> scores = [1 - row / 100 for row in range(49)] + [0.5, 0.4999, 0.3]
    >>> agreement(set(range(50)), rows_exact=ranked, scores=scores)
    (1.0, 1.0)
    >>> agreement({*range(49), 50}, rows_exact=ranked, scores=scores)
    (0.98, 1.0)
    >>> agreement({*range(49), 51}, rows_exact=ranked, scores=scores)
    (0.98, 0.98)
    """
    wanted = rows_exact[:DEPTH]
    score = dict(zip(rows_exact, scores, strict=True))
    last = scores[len(wanted) - 1]
    missing = [row for row in wanted if row not in rows]
    excusable = sum(score[row] - last <= TIE for row in missing)
    replacing = sum(last - score.get(row, -1.0) <= TIE for row in rows.difference(wanted))
    found = len(wanted) - len(missing)
    return found / len(wanted), (found + min(excusable, replacing)) / len(wanted)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--memories", type=int, default=10_000, help="memories in the namespace")
    parser.add_argument("--queries", type=int, default=200, help="searches to compare")
    parser.add_argument("--reuse", action="store_true", help="the memories were stored by an earlier run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
