"""The proxy: what it adds to a chat beside the search, and what the order of memories is worth to a prefix cache.

    python -m benchmarks.proxy

Starts an embedded service of its own in a temporary folder and a server that stands in for the model and keeps what it is
sent. First, in alternating blocks: a chat through the proxy, the same chat sent to the model directly, and the same search by
itself. Then a week of chats, every prompt once in order of relevance and once in stable order, where the latter has every
memory that the former has (checked, prompt by prompt: recall is never lower); the prompts as they reached the model go through
two prefix caches of the same size.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import httpx

from benchmarks.chats import remember
from benchmarks.model_server import model_server
from benchmarks.process_tree import parts
from benchmarks.proxy_cost import cost
from benchmarks.proxy_week import ANEW, RELEVANCE, REPLY, STABLE, Turn, found_in_caches, walk
from benchmarks.readable import readable_failures
from benchmarks.targets import Target, publish
from benchmarks.victim import Victim
from benchmarks.week import facts, week
from memory_service.cli.console import progress_bar

OVERHEAD_MS = 10.0
GAIN = 3.0
SETTINGS = ("facts", "sessions", "top_k", "blocks", "chats", "block_tokens", "cache_tokens", "seed")


def main() -> None:
    """Measure and publish."""
    options = _options()
    load = [os.getloadavg()[1]]
    with tempfile.TemporaryDirectory() as folder, model_server() as model:
        model.behaviour.text = REPLY
        # One API process: it is its CPU time that is read.
        served = {"MEMORY_SERVICE_UPSTREAM_URL": model.url, "OMP_NUM_THREADS": "1", "MEMORY_SERVICE_API_PROCESSES": "1"}
        victim = Victim(Path(folder), settings=served)
        victim.start()
        try:
            key = {"Authorization": f"Bearer {victim.connection.key}"}
            with httpx.Client(base_url=victim.connection.url, headers=key, timeout=120) as http:
                remember(http, facts(random.Random(options.seed), per_user=options.facts))
                asked = list(week(random.Random(options.seed), sessions_per_day=options.sessions))
                took = cost(
                    http, model, asked, pid=parts(victim.data_dir)["api"], blocks=options.blocks, chats=options.chats,
                    top_k=options.top_k, seed=options.seed,
                )  # fmt: skip
                prompts = list(week(random.Random(options.seed + 1), sessions_per_day=options.sessions))
                turns: list[Turn] = []
                with progress_bar() as bar:
                    task = bar.add_task("a week of chats", total=len(prompts))
                    for turn in walk(http, model, prompts, (RELEVANCE, ANEW, STABLE), top_k=options.top_k):
                        turns.append(turn)
                        bar.advance(task)
        finally:
            victim.stop()
    load.append(os.getloadavg()[1])
    order = found_in_caches(turns, block_tokens=options.block_tokens, cache_tokens=options.cache_tokens)
    gain = order["gain"][STABLE.name]
    targets = [
        Target("chat p50 over the model itself and a search", took["beside_search_request_ms"], OVERHEAD_MS, unit="ms"),
        Target("prefix hits, stable order / order of relevance", gain, GAIN, at_most=False, unit="×"),
    ]
    settings = {name: value for name, value in vars(options).items() if name in SETTINGS}
    measured = {"load_before_and_after": load, "overhead": took, "week": order}
    publish("proxy", targets=targets, settings=settings, measured=measured, out=options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--facts", type=int, default=40, help="memories per person, beside 16 of the house")
    parser.add_argument("--sessions", type=int, default=1, help="chats per person and day, of three to eight turns")
    parser.add_argument("--top-k", type=int, default=12, help="memories per prompt")
    parser.add_argument("--blocks", type=int, default=10, help="blocks of each kind to measure")
    parser.add_argument("--chats", type=int, default=15, help="chats per block")
    parser.add_argument("--block-tokens", type=int, default=16, help="tokens per block of the prefix cache")
    parser.add_argument("--cache-tokens", type=int, default=100_000, help="what the prefix cache holds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="result file (default: in benchmarks/results)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
