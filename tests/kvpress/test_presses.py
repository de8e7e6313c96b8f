"""A press behind our protocol keeps what it keeps in kvpress itself, within the budget."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.kv_recall import new_model
from benchmarks.kvpress.policy import KvPress, Presses, PressFailed, presses
from memory_service.activation.errors import BadTensor, MissingStatistic
from memory_service.activation.key_values import KeyValues
from memory_service.activation.policies.statistics import Budget, Statistics
from memory_service.activation.transformer.running import run
from tests.vllm.environment import KVPRESS

pytestmark = pytest.mark.timeout(900)

TOKENS = 96
SHARE = 0.5
WINDOW = {"window_size": 8, "kernel_size": 5}
PRESSES = {
    "snapkv": ("SnapKVPress", WINDOW),
    "pyramidkv": ("PyramidKVPress", {**WINDOW, "beta": 2}),
    "tova": ("TOVAPress", {}),
    "knorm": ("KnormPress", {}),
    "keydiff": ("KeyDiffPress", {}),
    "streaming": ("StreamingLLMPress", {"n_sink": 4}),
}


@pytest.fixture(scope="module")
def python() -> Path:
    if not KVPRESS.is_installed():
        pytest.skip("kvpress is not installed here; `make test-kvpress` does it")
    return KVPRESS.python


@pytest.fixture(scope="module")
def running(python: Path) -> Iterator[Presses]:
    with presses(python) as found:
        yield found


@pytest.fixture(scope="module")
def model() -> Any:
    return new_model(3).eval()


@pytest.fixture(scope="module")
def tokens() -> list[int]:
    return [int(one) for one in np.random.default_rng(5).integers(0, 120, TOKENS)]


@pytest.fixture(scope="module")
def stats(model: Any, tokens: list[int]) -> Statistics:
    ran = run(model, [tokens], observed=8)
    return Statistics(ran.cache, attention=ran.attention, queries=ran.queries)


@pytest.fixture(scope="module")
def kept_by_kvpress(
    python: Path, model: Any, tokens: list[int], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("reference")
    model.save_pretrained(folder / "model")
    request = {"tokens": tokens, "ratio": 1 - SHARE, "presses": PRESSES}
    (folder / "request.json").write_text(json.dumps(request))
    script = Path(__file__).with_name("reference.py")
    command = [python, script, folder / "model", folder / "request.json", folder / "answer.json"]
    subprocess.run(command, check=True, timeout=600, env={"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"})
    found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return found


@pytest.mark.parametrize("name", PRESSES)
def test_a_press_keeps_here_what_it_keeps_in_kvpress(
    running: Presses, stats: Statistics, kept_by_kvpress: dict[str, Any], name: str
) -> None:
    press, settings = PRESSES[name]
    keep = KvPress(running, press, settings, name).plan(stats, Budget(SHARE))
    theirs = np.zeros_like(keep.entries)
    for layer, heads in enumerate(kept_by_kvpress[name]):
        for head, positions in enumerate(heads):
            theirs[layer, head, positions] = True
    assert (keep.entries == theirs).all()
    assert 0 < keep.count <= Budget(SHARE).entries(stats.cache)


def test_presses_differ_from_each_other(running: Presses, stats: Statistics) -> None:
    """Otherwise the test above would pass with any press."""
    kept = [KvPress(running, press, more).plan(stats, Budget(SHARE)).entries for press, more in PRESSES.values()]
    assert len({one.tobytes() for one in kept}) == len(kept)


def test_a_budget_of_all_keeps_all(running: Presses, stats: Statistics) -> None:
    assert KvPress(running, "KnormPress").plan(stats, Budget(1)).entries.all()


def test_what_cannot_be_asked_is_an_error_and_the_next_is_answered(running: Presses, stats: Statistics) -> None:
    some = np.ones((1, 1, 4, 8), np.float32)
    short = Statistics(KeyValues(some, some, np.arange(4)), attention=np.full((1, 1, 1, 4), 0.25, np.float32))
    with pytest.raises(MissingStatistic):
        KvPress(running, "SnapKVPress").plan(Statistics(stats.cache), Budget(SHARE))
    with pytest.raises(BadTensor):
        KvPress(running, "KnormPress").plan(stats, Budget(0))
    for press, settings, given in [
        ("NoSuchPress", {}, stats),
        ("Path", {}, stats),
        ("ThinKPress", {}, stats),
        ("KnormPress", {"window_size": 8}, stats),
        ("SnapKVPress", {"window_size": 64}, short),
    ]:
        with pytest.raises(PressFailed):
            KvPress(running, press, settings).plan(given, Budget(SHARE))
    assert KvPress(running, "KnormPress").plan(stats, Budget(SHARE)).count


def test_a_process_that_has_ended_is_an_error(python: Path, stats: Statistics) -> None:
    with presses(python) as found:
        assert KvPress(found, "KnormPress").plan(stats, Budget(SHARE)).count
        found.process.kill()
        found.process.wait()
        with pytest.raises(PressFailed, match="has ended"):
            KvPress(found, "KnormPress").plan(stats, Budget(SHARE))
