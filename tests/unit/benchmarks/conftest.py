"""Two small conversations as namespaces, with an encoder that counts words."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.ablation_data import Space, load_spaces
from benchmarks.ablation_encoding import CachedEncoder
from memory_service.encoder.protocol import TextSpan

WORDS = ("dog", "cat", "pottery", "hike", "car", "paris", "job", "name")


class BagOfWords:
    """An encoder of one dimension per word; counts what it is asked to encode."""

    identity = SimpleNamespace(fingerprint="bag-of-words", dimension=len(WORDS) + 1)

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def chunk(self, text: str) -> list[TextSpan]:
        return [TextSpan(0, len(text))]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        found = np.array([[*(word in text.lower() for word in WORDS), 0.5] for text in texts], dtype=np.float32)
        normalised: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
        return normalised


def turn(number: int, text: str, *, speaker: str = "Ann", session: str = "s1", caption: str = "") -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "sess": session,
        "date": "2026-03-01T10:00:00Z",
        "speaker": speaker,
        "text": text,
        "caption": caption,
    }


def question(qid: str, text: str, gold: list[str], **more: Any) -> dict[str, Any]:
    return {"qid": qid, "q": text, "cat": "single-hop", "gold": gold, **more}


CONVERSATIONS = [
    {
        "conv": "one",
        "docs": [
            turn(1, "Do you have a dog?", speaker="Bob"),
            turn(2, "Yes, he is called Rex.", caption="a cat on a car"),
            turn(3, "I started pottery.", session="s2"),
        ],
        "questions": [
            question("q1", "What is Ann's dog called?", ["d2"]),
            question("q2", "Which job?", ["d3", "d2"], gold_roles={"old": ["d2"], "new": ["d3"]}),
            question("q3", "Who is nobody?", [], gold_roles={"original_info": ["d1"], "updated_info": ["d2"]}),
        ],
    },
    {"conv": "two", "docs": [turn(1, "I went for a hike to Paris.")], "questions": [question("q4", "A hike?", ["d1"])]},
]


@pytest.fixture
def words() -> BagOfWords:
    return BagOfWords()


@pytest.fixture
def encoder(tmp_path: Path, words: BagOfWords) -> CachedEncoder:
    return CachedEncoder(words, tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def spaces(tmp_path: Path, encoder: CachedEncoder) -> list[Space]:
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(map(json.dumps, CONVERSATIONS)), encoding="utf-8")
    return load_spaces(file, encoder)
