"""Measure the time to the first token of a prompt that is computed, and of one whose blocks are loaded, in turn in one process.

`python -m tests.vllm.first_token [RESULT.json]`, in the environment of the tests; makes vLLM's environment where there is none.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.provenance import provenance
from benchmarks.results import write_result
from memory_service.activation import blob
from tests.vllm.engine import BLOCK, FORGETTING, HITS, Engine, engine, prompt

HERE: Final = Path(__file__).parent
TOKENS: Final = 2000
LOADED: Final = TOKENS // BLOCK * BLOCK
ROUNDS: Final = 5


@contextmanager
def server(python: str, folder: Path) -> Iterator[Engine]:
    """Run a server with a model that is large enough to be timed; both lie in a folder, and its blocks in `kv`."""
    model = folder / "model"
    subprocess.run([python, HERE / "tiny_model.py", model, "large"], check=True, timeout=300, stderr=subprocess.DEVNULL)
    arguments = ["--max-model-len", "4096", "--max-num-batched-tokens", "4096", "--num-gpu-blocks-override", "96"]
    kept = {"folder": str(folder / "kv")}
    with engine(python, model, folder / "server.log", kept, *arguments, environment=FORGETTING) as one:
        yield one


def measure(one: Engine, *, rounds: int = ROUNDS) -> dict[str, Any]:
    """Return seconds of both, round by round, and how many times as long computing takes as loading, by their medians."""
    blocks = one.log.parent / "kv"
    one.ask(prompt(1, 300), tokens=1)  # what is done once per process
    _first(one, saved=True)
    deadline = time.monotonic() + 60
    while len(list((blocks / "blocks").iterdir())) < LOADED // BLOCK and time.monotonic() < deadline:
        time.sleep(0.1)
    computed, loaded = [], []
    for at in range(rounds):
        computed.append(one.ask(prompt(0, TOKENS), salt=f"nobody {at}", tokens=1).seconds)
        loaded.append(_first(one, saved=False))
    files = list((blocks / "files").iterdir())
    header, _ = blob.read(files[0].read_bytes())
    return {
        "prompt_tokens": TOKENS,
        "loaded_tokens": LOADED,
        "computed_s": [round(one, 4) for one in computed],
        "loaded_s": [round(one, 4) for one in loaded],
        "times": round(median(computed) / median(loaded), 2),
        "blob_bytes": sum(file.stat().st_size for file in files),
        "layout": json.loads(header.note or "{}")["layout"],
    }


def _first(one: Engine, *, saved: bool) -> float:
    """Ask for a token with a grant; what this process itself remembers is forgotten before."""
    one.forget()
    with one.counting() as counted:
        answer = one.ask(prompt(0, TOKENS), parameters={"grant": "of-nobody"}, tokens=1)
    assert counted[HITS] == (0 if saved else LOADED)
    assert counted["load_failures"] == 0
    return answer.seconds


def main() -> None:
    """Measure, print, and write where a file is named."""
    made = subprocess.run([sys.executable, HERE / "environment.py"], stdout=subprocess.PIPE, text=True, check=True)
    python = made.stdout.strip().splitlines()[-1]
    load = [round(one, 1) for one in os.getloadavg()]
    with tempfile.TemporaryDirectory() as folder, server(python, Path(folder)) as one:
        found = measure(one)
    result = {
        **provenance(),
        "command": "python -m tests.vllm.first_token FILE, on one thread",
        "load_average_before": load,
        "model": "Llama, 71 million random parameters, bfloat16",
        "vllm": (HERE / "requirements.txt").read_text().strip().splitlines()[-1],
        **found,
    }
    print(json.dumps(result, indent=1))
    if sys.argv[1:]:
        write_result(Path(sys.argv[1]), result)


if __name__ == "__main__":
    main()
