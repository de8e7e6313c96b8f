"""A vLLM with the connector, as its clients see it."""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.vllm.serving import serving

CONNECTOR: Final = Path(__file__).parents[2] / "clients" / "vllm" / "src"
BLOCK: Final = 128
SALT: Final = "a salt"
ROOM: Final = ("--num-gpu-blocks-override", "256")
"""For 32,768 tokens: the least that vLLM reserves by itself is a gigabyte, and several servers run beside each other."""
FORGETTING: Final = {"VLLM_SERVER_DEV_MODE": "1"}
"""The environment of a server that can be made to forget, which spares a restart."""
HITS: Final = "vllm:external_prefix_cache_hits_total"
OURS: Final = "vllm:memory_service_kv_"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a prompt was answered with."""

    tokens: list[int]
    logprobs: list[float]
    seconds: float

    def furthest(self, other: "Answer") -> float:
        """Return the largest difference of the log probability of a token."""
        return max(abs(one - two) for one, two in zip(self.logprobs, other.logprobs, strict=True))


@dataclass(frozen=True, slots=True)
class Engine:
    """A running server."""

    url: str
    log: Path

    def ask(
        self,
        prompt: Sequence[int],
        *,
        salt: str = SALT,
        parameters: Mapping[str, Any] | None = None,
        tokens: int = 16,
        model: str = "tiny",
    ) -> Answer:
        """Answer a prompt greedily, with our parameters for the connector, where there are any."""
        body: dict[str, Any] = {
            "model": model, "prompt": list(prompt), "max_tokens": tokens, "temperature": 0, "logprobs": 1,
            "ignore_eos": True, "cache_salt": salt, "return_token_ids": True,
        }  # fmt: skip
        if parameters is not None:
            body["kv_transfer_params"] = {"memory_service": dict(parameters)}
        start = time.perf_counter()
        answer = httpx.post(f"{self.url}/v1/completions", json=body, timeout=300)
        seconds = time.perf_counter() - start
        assert answer.status_code == 200, answer.text
        choice = answer.json()["choices"][0]
        return Answer(choice["token_ids"], choice["logprobs"]["token_logprobs"], seconds)

    def numbers(self) -> dict[str, float]:
        """Return the counters of vLLM's metrics, ours without their prefix."""
        found: dict[str, float] = {}
        for line in httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines():
            name, _, value = line.partition(" ")[0].partition("{")[0], "", line.rpartition(" ")[2]
            if name.startswith("vllm:") and name.endswith("_total"):
                short = name.removeprefix(OURS).removesuffix("_total") if name.startswith(OURS) else name
                found[short] = found.get(short, 0.0) + float(value)
        return found

    def forget(self) -> None:
        """Empty its own prefix cache, which it lets nobody do outside of its development mode."""
        assert httpx.post(f"{self.url}/reset_prefix_cache", timeout=30).status_code == 200

    @contextmanager
    def counting(self) -> Iterator[dict[str, float]]:
        """Give a mapping that is filled with what was counted in the block; what was not counted is 0 there."""
        before, counted = self.numbers(), _Zero()
        yield counted
        after = self.numbers()
        counted.update({name: after[name] - before.get(name, 0.0) for name in after if after[name] != before.get(name)})


class _Zero(dict[str, float]):
    def __missing__(self, name: str) -> float:
        return 0.0


@contextmanager
def engine(
    python: str,
    model: Path,
    log: Path,
    settings: Mapping[str, Any],
    *arguments: str,
    dtype: str = "bfloat16",
    environment: Mapping[str, str] | None = None,
    connector: tuple[str, str] = ("MemoryConnector", "memory_vllm.connector"),
) -> Iterator[Engine]:
    """Run a vLLM with the connector, or another of its package, set up so."""
    name, module = connector
    transfer = {
        "kv_connector": name,
        "kv_connector_module_path": module,
        "kv_role": "kv_both",
        "kv_load_failure_policy": "recompute",
        "kv_connector_extra_config": dict(settings),
    }
    given = ["--kv-transfer-config", json.dumps(transfer), *arguments]
    around = {"PYTHONPATH": str(CONNECTOR), **(environment or {})}
    with serving(python, model, log, given, dtype=dtype, environment=around) as url:
        yield Engine(url, log)


def prompt(seed: int, tokens: int = 2000, *, vocabulary: int = 280) -> list[int]:
    """Return token ids that are another text for each seed."""
    rng = random.Random(seed)
    return [rng.randrange(2, vocabulary) for _ in range(tokens)]
