"""A cross-encoder behind `preset: thorough`, over HTTP."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from memory_service.lifecycle.erase import erase
from memory_service.reranker.bounded import BoundedReranker
from memory_service.reranker.cross_encoder import open_cross_encoder
from memory_service.storage.database import Database
from retrieval.reranking import amounts
from tests.waiting import eventually

QUERY = "What did the cat do on the mat?"
TEXTS = (
    "The cat sat on the mat.",
    "The red cat ran to the big house.",
    "A dog sat where the cat did.",
    "Bob bought a mat for the house.",
    "Who let the dog on the mat?",
    "The big cat is red.",
    "Ana saw a cat on a dog.",
    "It rained in the afternoon.",
)


def remember(me: Any) -> dict[str, str]:
    ids = {}
    for text in TEXTS:
        answer = me.post("/v1/memories", json={"content": text, "speaker": "Ana"})
        assert answer.status_code == 201, answer.text
        ids[answer.json()["id"]] = text
    return ids


def search(me: Any, **fields: Any) -> dict[str, Any]:
    answer = me.post("/v1/search", json={"query": QUERY, "top_k": 8, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def order(answer: dict[str, Any]) -> list[str]:
    return [result["memory"]["id"] for result in answer["results"]]


@pytest.fixture
def swap(reranking_app: FastAPI) -> Iterator[Callable[..., None]]:
    """Return a function that gives the running application another model, or none."""
    services = reranking_app.state.services
    opened: list[BoundedReranker] = []

    def put(model: Any, *, budget_s: float = 10.0) -> None:
        if model is not None:
            opened.append(BoundedReranker("another", model, budget_s=budget_s))
        reranking_app.state.services = replace(services, reranker=opened[-1] if model is not None else None)

    yield put
    reranking_app.state.services = services
    for one in opened:
        one.close()


@pytest.fixture
def erased(database: Database, reranking: Any) -> Callable[[str], None]:
    """Return a function that erases a memory, as a worker does."""

    def run(memory_id: str) -> None:
        with database.transaction(reranking.tenant_id) as session:
            assert erase(session, reranking.tenant_id, [UUID(memory_id)], now=datetime.now(UTC))

    return run


def test_thorough_adds_what_the_model_says(reranking: Any, model_folder: Path) -> None:
    ids = remember(reranking)
    before, after = search(reranking), search(reranking, preset="thorough")
    assert before["timings_ms"]["rerank"] == 0.0
    assert after["timings_ms"]["rerank"] > 0.0
    assert not any("reranker" in result["signals"] for result in before["results"])
    # The same by hand: present scores, and what sentence-transformers itself says of the same pairs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(model_folder), device="cpu", local_files_only=True)
        pairs = [(QUERY, f"Ana: {ids[one]}") for one in order(before)]
        said = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False).astype(np.float64)
    present = np.array([result["score"] for result in before["results"]])
    expected = dict(zip(order(before), present + amounts(present, said), strict=True))
    assert order(after) == sorted(expected, key=lambda one: -expected[one]) != order(before)
    trace = reranking.get(f"/v1/traces/{after['search_id']}").json()
    assert trace["reranker"] == {"model": str(model_folder), "scored": len(TEXTS)}
    for result in after["results"]:
        parts = sum(cell["contribution"] for cell in result["channels"].values())
        assert result["score"] == pytest.approx(expected[result["memory"]["id"]], abs=1e-3)
        assert result["score"] == pytest.approx(parts + result["signals"]["reranker"], abs=1e-4)
        assert ("put up by the reranker" in result["why"]) == (result["signals"]["reranker"] > 0)


def test_other_presets_and_single_channels_do_without(reranking: Any) -> None:
    remember(reranking)
    for fields in ({"preset": "fast"}, {}, {"preset": "thorough", "channels": {"keyword": 1}}):
        answer = search(reranking, **fields)
        assert answer["timings_ms"]["rerank"] == 0.0
        assert not any("reranker" in result["signals"] for result in answer["results"])
        assert reranking.get(f"/v1/traces/{answer['search_id']}").json()["reranker"] is None


def test_nothing_to_rerank(reranking: Any) -> None:
    assert search(reranking, preset="thorough")["results"] == []


def test_a_context_is_reranked_too(reranking: Any) -> None:
    remember(reranking)
    made = reranking.post("/v1/context", json={"query": QUERY, "preset": "thorough"}).json()
    trace = reranking.get(f"/v1/traces/{made['search_id']}").json()
    assert trace["reranker"]["scored"] == len(TEXTS)


def test_a_trace_says_so_and_replays_without_the_model(reranking: Any, swap: Any) -> None:
    remember(reranking)
    for number in range(22):  # more than a trace shows without a reranker
        reranking.post("/v1/memories", json={"content": f"Cat {number} sat on a mat.", "speaker": "Bob"})
    swap(lambda: Scores([float(n) for n in range(8)]))
    answer = search(reranking, preset="thorough", top_k=3)
    assert order(answer) != order(search(reranking, top_k=3))
    path = f"/v1/traces/{answer['search_id']}"
    trace = reranking.get(path).json()
    assert trace["reranker"] == {"model": "another", "scored": 30}
    assert len([kept for kept in trace["results"] + trace["near_misses"] if "reranker" in kept]) == 30

    def another() -> Any:
        raise AssertionError("a replay asks no model")

    for model in (another, None):
        swap(model)
        replay = reranking.get(path, params={"replay": True}).json()["replay"]
        assert replay["same"], replay
        assert [one["score"] for one in replay["results"]] == [result["score"] for result in answer["results"]]


def test_a_trace_made_without_is_replayed_without(reranking: Any, swap: Any) -> None:
    remember(reranking)
    swap(None)
    answer = search(reranking, preset="thorough")
    swap(lambda: Scores([float(n) for n in range(8)]))
    assert order(search(reranking, preset="thorough")) != order(answer)
    replay = reranking.get(f"/v1/traces/{answer['search_id']}", params={"replay": True}).json()["replay"]
    assert replay["same"], replay


def test_why_not_tells_what_the_reranker_cost(reranking: Any) -> None:
    ids = remember(reranking)
    answer = search(reranking, preset="thorough", top_k=3)
    missing = next(one for one in ids if one not in order(answer))
    fate = reranking.post(f"/v1/traces/{answer['search_id']}/why-not", json={"memory_id": missing}).json()
    assert fate["stage"] == "below_top_k"
    assert "reranker" in fate["costs"]
    assert sum(fate["costs"].values()) == pytest.approx(fate["missing_score"], abs=1e-4)
    assert fate["would_bring_it_in"] == {"top_k": fate["rank"], "channels": None}
    wider = search(reranking, preset="thorough", top_k=fate["rank"])
    assert order(wider)[-1] == missing


def test_erasure_reaches_the_scores(reranking: Any, erased: Any) -> None:
    ids = remember(reranking)
    answer = search(reranking, preset="thorough", top_k=1)
    gone = next(one for one in ids if one not in order(answer))
    path = f"/v1/traces/{answer['search_id']}"
    assert gone in reranking.get(path).text
    erased(gone)
    assert gone not in reranking.get(path).text


class Scores:
    """Give the scores listed, once the check holds."""

    def __init__(self, scores: list[float], check: Callable[[], None] = lambda: None) -> None:
        self._scores = scores
        self._check = check

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self._check()
        return np.array(self._scores[: len(texts)], dtype=np.float32)


def test_no_connection_is_held_while_the_model_runs(reranking_app: FastAPI, reranking: Any, swap: Any) -> None:
    remember(reranking)
    pool = reranking_app.state.services.database.engine.pool
    free: list[bool] = []

    def look() -> None:  # others use the pool for moments: who last used a key is written beside
        free.append(eventually(lambda: pool.checkedout() == 0, timeout_s=5))

    swap(lambda: Scores([float(n) for n in range(8)], look))
    answer = search(reranking, preset="thorough")
    assert free == [True]
    assert any(result["signals"].get("reranker") for result in answer["results"])


def test_what_is_erased_while_the_model_runs_is_not_answered(reranking: Any, swap: Any, erased: Any) -> None:
    ids = remember(reranking)
    first = order(search(reranking))[0]
    swap(lambda: Scores([float(-n) for n in range(8)], lambda: erased(first)))
    assert sorted(order(search(reranking, preset="thorough"))) == sorted(set(ids) - {first})


def test_errors_and_slowness_leave_the_search_as_it_is(
    reranking: Any, swap: Any, save_cross_encoder: Callable[..., Path], tmp_path: Path
) -> None:
    remember(reranking)
    plain = order(search(reranking))

    def fail() -> None:
        raise RuntimeError("broken")

    two_labels = save_cross_encoder("two-labels", labels=2)
    empty = tmp_path / "empty"
    empty.mkdir()
    for model in (
        lambda: Scores([], fail),
        lambda: open_cross_encoder(str(two_labels)),
        lambda: open_cross_encoder(str(empty)),
    ):
        swap(model)
        answer = search(reranking, preset="thorough")
        assert order(answer) == plain
        trace = reranking.get(f"/v1/traces/{answer['search_id']}").json()
        assert trace["reranker"]["scored"] == 0


def test_torch_is_not_imported_before_the_first_use() -> None:
    program = (
        "import sys; import memory_service.api.app; from memory_service.reranker.bounded import BoundedReranker; "
        "BoundedReranker('x', lambda: None, budget_s=1).close(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
