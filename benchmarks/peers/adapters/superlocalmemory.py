"""SuperLocalMemory: its ``MemoryEngine`` in mode A (no model), one profile per conversation.

``lexical`` keeps texts by ``store_fast``, which answers before there is a vector; ``full`` keeps them by ``store`` and then asks
for the vectors. The floor under the evidence and the cross-encoder are off: one cuts the list that is measured, the
other is a model from a hub.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from superlocalmemory.core.config import EmbeddingConfig, SLMConfig
from superlocalmemory.core.engine import MemoryEngine
from superlocalmemory.storage.models import Mode

from benchmarks.peers.adapters.encoder import DIMENSION
from benchmarks.peers.adapters.wire import Memory, Opening, serve

VECTORS_TIMEOUT_S = 3600.0


class SuperLocalMemory:
    """One engine; the ids it gives to facts are translated back to ours."""

    def __init__(self, opening: Opening) -> None:
        config = SLMConfig.for_mode(Mode.A, base_dir=opening.folder)
        config.embedding = EmbeddingConfig(
            model_name=opening.model, dimension=DIMENSION, provider="sentence-transformers"
        )
        config.hopfield = replace(config.hopfield, dimension=DIMENSION)
        polar = replace(config.quantization.polar, dimension=DIMENSION)
        config.quantization = replace(config.quantization, polar=polar)
        config.retrieval.use_cross_encoder = False
        config.retrieval.evidence_floor_enabled = False
        self._full = opening.setup == "full"
        if not self._full:
            config.retrieval.disabled_channels = ["semantic", "hopfield"]
        self._engine: Any = MemoryEngine(config)
        self._engine.initialize()
        self._database = str(config.db_path)
        self._ours: dict[str, str] = {}

    def store(self, namespace: str, memories: Sequence[Memory]) -> None:
        """Store the memories one by one, in a profile of their own."""
        self._make_profile(namespace)
        for memory in memories:
            if self._full:
                kept = self._engine.store(
                    memory.text,
                    session_id=memory.session,
                    session_date=memory.said_at,
                    speaker=memory.speaker,
                    profile_id=namespace,
                )
                self._engine.enrich_new_facts_now(kept, timeout_s=VECTORS_TIMEOUT_S, profile_id=namespace)
            else:
                kept = self._engine.store_fast(
                    memory.text, session_date=memory.said_at, speaker=memory.speaker, profile_id=namespace
                )
            self._ours.update(dict.fromkeys(kept, memory.id))

    def _make_profile(self, name: str) -> None:
        """Make a profile with the statement of its ``slm profile create``: the engine has no call for that."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("INSERT OR IGNORE INTO profiles (profile_id, name) VALUES (?, ?)", (name, name))

    def search(self, namespace: str, query: str, k: int) -> list[str]:
        """Recall without the round that asks a model; facts that are no turn of ours are left out."""
        found = self._engine.recall(query, profile_id=namespace, limit=k, fast=True).results
        return [self._ours[one.fact.fact_id] for one in found if one.fact.fact_id in self._ours]

    def encode(self, text: str) -> Sequence[float] | None:
        """Return the engine's vector."""
        if not self._full:
            return None
        vector: list[float] = self._engine.embedder.embed(text)
        return vector

    def disk_bytes(self) -> None:
        """Say that the folder holds everything."""


if __name__ == "__main__":
    serve("superlocalmemory", SuperLocalMemory)
