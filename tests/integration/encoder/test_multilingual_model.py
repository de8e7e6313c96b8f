"""A multilingual model by setting: the architecture and the tokenizer of XLM-RoBERTa, made on the spot, random, small.

Most multilingual models of sentence-transformers are of this kind: a SentencePiece vocabulary over all scripts, and positions
that are counted from the padding token on. What its random vectors mean is of no interest here, only that they are served.
"""

import json
import secrets
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, insert
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from memory_service.encoder import LoadedEncoder, load_encoder
from memory_service.encoder.identity import FAITHFUL_COSINE
from memory_service.settings import Settings
from memory_service.storage import keys
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.storage.tables import tenant
from memory_service.types import KeyScope

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TEXTS = [
    "Wir haben ein Haus mit einem alten Apfelbaum gekauft.",
    "Elle travaille dans une librairie du vieux Lyon.",
    "Mi hermano hornea el mejor pan del barrio.",
    "先月、京都から福岡に引っ越しました。",
    "我上个月从成都搬到了杭州。",
    "Привет, как дела у твоей сестры?",
    "เมื่อวานฉันไปทะเลกับน้องสาว",
    "مرحبا كيف حالك اليوم",
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # in the order that XLM-RoBERTa has them
WINDOW = 48


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a multilingual sentence-transformers model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers import models as modules
        from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
        from tokenizers.models import Unigram
        from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

        torch.manual_seed(7)
        root = tmp_path_factory.mktemp("multilingual")
        base, target = root / "base", root / "tiny-multilingual"
        tokenizer = Tokenizer(Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=600, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        )
        tokenizer.train_from_iterator(TEXTS * 20, trainer)
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
            pad_token="<pad>", unk_token="<unk>", model_max_length=WINDOW,
        ).save_pretrained(base)  # fmt: skip
        config = XLMRobertaConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=64, max_position_embeddings=WINDOW + 2, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
            eos_token_id=2, initializer_range=0.3,
        )  # fmt: skip
        XLMRobertaModel(config).save_pretrained(base)
        parts: list[Any] = [modules.Transformer(str(base), max_seq_length=WINDOW), modules.Pooling(32)]
        SentenceTransformer(modules=[*parts, modules.Normalize()], device="cpu").save(str(target))
    return target


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedEncoder]:
    encoder = load_encoder(Settings(data_dir=tmp_path_factory.mktemp("served"), encoder=str(model)))
    yield encoder
    encoder.close()


def test_it_is_exported_and_faithful(
    served: LoadedEncoder, model: Path, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    assert served.runtime in {"openvino", "onnx"}
    assert served.reason == ""
    assert (served.identity.dimension, served.identity.max_tokens) == (32, WINDOW)
    program = """
import json, sys, warnings
warnings.simplefilter("ignore")
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu", local_files_only=True)
print(json.dumps(model.encode(json.loads(sys.argv[2]), normalize_embeddings=True).tolist()))
"""
    wanted = np.array(json.loads(run_python(program, model, json.dumps(TEXTS)).splitlines()[-1]))
    # Texts of different lengths in one batch: padding must move no position.
    # The weights are drawn by chance, and some of them lose a ten-thousandth in bfloat16.
    assert np.sum(served.encode(TEXTS) * wanted, axis=1).min() > FAITHFUL_COSINE


def test_every_script_has_tokens_of_its_own(served: LoadedEncoder) -> None:
    unknown = 3
    for text, ids in zip(TEXTS, served.tokenization.ids(TEXTS), strict=True):
        assert (ids[0], ids[-1]) == (0, 2)
        assert unknown not in ids, text
        assert len(ids) > 4


def test_long_texts_without_spaces_are_cut_to_its_window(served: LoadedEncoder) -> None:
    text = TEXTS[3] * 30
    spans = served.chunk(text)
    assert len(spans) > 3
    assert (spans[0].start, spans[-1].end) == (0, len(text))
    parts = served.tokenize([text[span.start : span.end] for span in spans])
    assert max(len(part.ids) for part in parts) <= WINDOW


def test_the_service_stores_and_finds_with_it(make_database: Any, model: Path, tmp_path: Path) -> None:
    """A database of its own, as the how-to says: vectors of two models are never compared."""
    from memory_service.api.app import create_app

    with make_database() as url:
        roles = bootstrap(url, data_dir=tmp_path)
        migrate(roles.owner)
        tenant_id, now = new_id(), datetime.now(UTC)
        engine = create_engine(roles.maintenance, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(insert(tenant).values(id=tenant_id, name=secrets.token_hex(4), created_at=now))
            scopes = [KeyScope.READ.value, KeyScope.WRITE.value]
            _, key = keys.create_key(connection, tenant_id, name="test", scopes=scopes, expires_at=None, now=now)
        engine.dispose()
        settings = Settings(
            data_dir=tmp_path, encoder=str(model), owner_database_url=roles.owner, log_level="error",
            maintenance_database_url=roles.maintenance, service_database_url=roles.service,
            **{"DATABASE_URL": "", "BROKER_URL": ""},
        )  # fmt: skip
        with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
            client.headers["Authorization"] = f"Bearer {key}"
            ids = []
            for text in TEXTS:
                answer = client.post("/v1/memories", json={"content": text, "extract": "none"})
                assert answer.status_code == 201, answer.text
                ids.append(answer.json()["id"])
            for memory_id, text in zip(ids, TEXTS, strict=True):
                found = client.post("/v1/search", json={"query": text, "channels": {"vector": 1.0}}).json()["results"]
                assert found[0]["memory"]["id"] == memory_id
                assert found[0]["channels"]["vector"]["score"] == pytest.approx(1.0, abs=2e-3)
