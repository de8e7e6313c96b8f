import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.encoder import LoadedEncoder, load_encoder
from memory_service.encoder.model_source import PACKAGED, find_model
from memory_service.settings import Settings


@pytest.fixture(scope="session")
def encoder_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("encoder-data"), encoder=PACKAGED, encoder_runtime="auto")


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
