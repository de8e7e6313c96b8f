"""Whoever encodes a query is counted: a search holds connections beside the encoder only while nobody else is."""

from typing import Any

import pytest

from memory_service.encoder import BatchingEncoder


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many callers were under way, at each query that was encoded."""
    found: list[int] = []
    encode = BatchingEncoder.encode_query

    def counting(self: BatchingEncoder, text: str, **rest: Any) -> Any:
        found.append(self._callers)
        return encode(self, text, **rest)

    monkeypatch.setattr(BatchingEncoder, "encode_query", counting)
    return found


def test_searches_replays_and_questions_to_the_graph_are_counted(me: Any, counted: list[int]) -> None:
    kept = me.post("/v1/memories", json={"content": "The lighthouse keeper counts herring gulls."}).json()["id"]
    search_id = me.post("/v1/search", json={"query": "herring gulls"}).json()["search_id"]
    assert counted == [1]
    for ask in (
        lambda: me.post("/v1/context", json={"query": "herring gulls"}),
        lambda: me.get(f"/v1/traces/{search_id}", params={"replay": "true"}),
        lambda: me.post(f"/v1/traces/{search_id}/why-not", json={"memory_id": kept}),
        lambda: me.get("/v1/graph", params={"query": "herring gulls"}),
    ):
        counted.clear()
        answer = ask()
        assert answer.status_code == 200, answer.text
        assert counted == [1]
