"""What eight bits cost: how many bytes they leave of bfloat16, and how far attention is off, layer by layer.

    python -m benchmarks.kv_codec [--seed N] [--train-s CPU_SECONDS] [--texts N]

Trains the small model of `kv_recall` on one thread, which takes about a minute, and keeps no weights. The model has to recall
before it says anything: random weights attend to nothing in particular, and no error would matter to them. `--table` prints a
result as the table in README.md.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import kv_contest as contest
from benchmarks.kv_training import Trained, run
from benchmarks.metrics import mean
from benchmarks.readable import readable_failures
from memory_service.activation.int8 import encode
from memory_service.activation.policies.statistics import Budget
from memory_service.activation.policies.window import Whole

RANDOM_QUERIES = 256
WANTED_SHARE = 0.54
WANTED_ERROR = 0.005
COLUMNS = ("random_queries", "random_queries_worst_text", "random_queries_of_the_models_size", "models_queries")


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure and write, or print what was written."""
    run(argv, name="kv-codec", measure=measured_with_load, table=table)


def measured_with_load(trained: Trained) -> dict[str, Any]:
    """Return the whole result, with how busy the machine was before and after."""
    return {
        "training": trained.training,
        **measured(trained.model, trained.seed, trained.texts),
        "load_before_and_after": [trained.load_before, os.getloadavg()[1]],
    }


def measured(model: Any, seed: int, texts: int) -> dict[str, Any]:
    """Return what a trained model still recalls in eight bits, the bytes, and the error of its attention in each layer.

    Over standard normal queries, over normal ones as large in every channel as the model's own, and over the model's own: the
    larger a query, the sharper the attention, and the more a key's error counts.
    """
    cases = [contest.make_case(model, text) for text in contest.make_texts(seed + 2000, texts)]
    whole = [contest.try_policy(model, case, Whole(), Budget(1)).unasked for case in cases]
    rng = np.random.default_rng(seed)
    by_luck, by_size, by_model = [], [], []
    for case in cases:
        cache, asked = case.unasked.cache, case.unasked.needed_queries()
        luck = rng.standard_normal((cache.layers, cache.heads, RANDOM_QUERIES, cache.dim), np.float32)
        by_luck.append(contest.output_errors(cache, luck))
        by_size.append(contest.output_errors(cache, luck * asked.std(axis=2, keepdims=True)))
        by_model.append(contest.output_errors(cache, asked))
    cache = cases[0].unasked.cache
    return {
        "texts": texts,
        "recall": {"whole": mean(whole), "int8": mean([contest.try_int8(model, case).unasked for case in cases])},
        "packed_of_bfloat16": encode(cache).packed_bytes() / cache.bytes_in_bfloat16(),
        "wanted": {"packed_of_bfloat16": WANTED_SHARE, "random_queries": WANTED_ERROR},
        "errors_by_layer": {
            "random_queries": np.mean(by_luck, axis=0).tolist(),
            "random_queries_worst_text": np.max(by_luck, axis=0).tolist(),
            "random_queries_of_the_models_size": np.mean(by_size, axis=0).tolist(),
            "models_queries": np.mean(by_model, axis=0).tolist(),
        },
    }


def table(result: Mapping[str, Any]) -> str:
    """Return a result as a table."""
    lines = [
        "| layer | random queries | worst text | as large as the model's | the model's own |",
        "|---|---|---|---|---|",
    ]
    columns = (result["errors_by_layer"][name] for name in COLUMNS)
    for at, values in enumerate(zip(*columns, strict=True)):
        lines.append(f"| {at} | {' | '.join(f'{value:.5f}' for value in values)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(readable_failures(main))
