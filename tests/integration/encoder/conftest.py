import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.encoder import LoadedEncoder, load_encoder
from memory_service.encoder.model_source import PACKAGED, find_model
from memory_service.settings import Settings


@pytest.fixture(scope="session")
def encoder_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("encoder-data"), encoder=PACKAGED, encoder_runtime="onnx")


@pytest.fixture(scope="session")
def loaded(encoder_settings: Settings) -> Iterator[LoadedEncoder]:
    encoder = load_encoder(encoder_settings)
    yield encoder
    encoder.close()


@pytest.fixture(scope="session")
def reference() -> Callable[[list[str]], NDArray[np.float32]]:
    """Encode with sentence-transformers itself, fp32, untouched by our code."""
    source = find_model(PACKAGED)
    assert source is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        model = SentenceTransformer(str(source.folder), device="cpu", local_files_only=True)

    def encode(texts: list[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return vectors

    return encode


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a program in a fresh process and return what it printed."""

    def run(program: str, *arguments: object) -> str:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


WORDS = (
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "ran",
    "to",
    "house",
    "big",
    "red",
    "happy",
    "sad",
    ".",
    "?",
    "!",
)


@pytest.fixture(scope="session")
def save_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a random sentence-transformers model of two layers, with the modules a test asks for."""

    def save(name: str, *, pooling: str = "mean", dense: bool = False, normalize: bool = True) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch
            from sentence_transformers import SentenceTransformer
            from sentence_transformers import models as modules
            from transformers import BertConfig, BertModel, BertTokenizerFast

            torch.manual_seed(7)
            root = tmp_path_factory.mktemp(name)
            base, target = root / "base", root / name
            base.mkdir()
            vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
            (base / "vocab.txt").write_text("\n".join(vocabulary))
            BertTokenizerFast(vocab={w: i for i, w in enumerate(vocabulary)}).save_pretrained(base)
            config = BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=64,
                max_position_embeddings=64,
                initializer_range=0.3,
            )
            BertModel(config).save_pretrained(base)
            transformer = modules.Transformer(str(base), max_seq_length=48)
            parts: list[Any] = [transformer, modules.Pooling(32, pooling_mode=pooling)]
            parts += [modules.Dense(in_features=32, out_features=12)] if dense else []
            parts += [modules.Normalize()] if normalize else []
            SentenceTransformer(modules=parts, device="cpu").save(str(target))
        return target

    return save
