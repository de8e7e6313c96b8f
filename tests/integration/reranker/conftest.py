"""A second application, with a tiny cross-encoder of random weights made on the spot."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from memory_service.settings import Settings

SENTENCES = "the a cat dog sat on mat ran to house big red what where did who . ? : ana bob"


@pytest.fixture(scope="session")
def save_cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a BERT of two layers that gives so many numbers for a pair."""

    def save(name: str, *, labels: int = 1) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch
            from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

            torch.manual_seed(11)
            folder = tmp_path_factory.mktemp(name)
            vocabulary = [
                "[PAD]",
                "[UNK]",
                "[CLS]",
                "[SEP]",
                "[MASK]",
                *SENTENCES.split(" "),
                *"abcdefghijklmnopqrstuvwxyz",
            ]
            vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
            vocabulary = list(dict.fromkeys(vocabulary))
            tokens = {word: place for place, word in enumerate(vocabulary)}
            BertTokenizerFast(vocab=tokens, model_max_length=64).save_pretrained(folder)
            config = BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=64,
                max_position_embeddings=64,
                initializer_range=0.3,
                num_labels=labels,
            )
            BertForSequenceClassification(config).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def model_folder(save_cross_encoder: Callable[..., Path]) -> Path:
    return save_cross_encoder("cross-encoder")


@pytest.fixture(scope="module")
def reranking_app(settings: Settings, model_folder: Path) -> Iterator[FastAPI]:
    """Return a running application that reranks, with time enough to open the model."""
    from memory_service.api.app import create_app

    app = create_app(settings.model_copy(update={"reranker": str(model_folder), "reranker_ms": 60_000}))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False):
        yield app


@pytest.fixture
def reranking(reranking_app: FastAPI, tenant_client: Any, make_tenant: Any) -> Any:
    """Return a client of it with the key of a fresh tenant."""
    client = TestClient(reranking_app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    return tenant_client(client, *make_tenant())
