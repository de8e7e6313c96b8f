"""Digests of a model's folder change with what they are of, and with nothing else."""

import hashlib
import json
from pathlib import Path

import pytest

from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import canonical, config_digest
from memory_service.activation.model_folder import (
    chat_template,
    folder_config_digest,
    text_digests,
    weights_digest,
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_bytes(b'{"model": {}}')
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (tmp_path / "config.json").write_text(json.dumps({"rope_theta": 10000.0, "_name_or_path": "/here"}))
    (tmp_path / "model-2.safetensors").write_bytes(b"second")
    (tmp_path / "model-1.safetensors").write_bytes(b"first")
    return tmp_path


def test_what_they_are(folder: Path) -> None:
    """An engine computes them by itself: they are fixed here, byte for byte."""
    digests = text_digests(folder)
    assert digests.tokenizer == sha(b'{"model": {}}')
    assert digests.chat_template == sha(b"{{ messages }}")
    assert folder_config_digest(folder) == config_digest({"rope_theta": 10000.0})
    said = [["model-1.safetensors", 5, sha(b"first")], ["model-2.safetensors", 6, sha(b"second")]]
    assert weights_digest(folder) == sha(canonical(said))


def test_a_template_in_a_file_of_its_own_goes_first(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ other }}")
    assert chat_template(folder) == "{{ other }}"


def test_of_several_templates_the_default_counts(folder: Path) -> None:
    named = [{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert chat_template(folder) == "b"


def test_no_template_is_none(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    assert text_digests(folder).chat_template is None


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model-1.safetensors"])
def test_one_byte_changes_one_digest(folder: Path, name: str) -> None:
    def all_of() -> tuple[str, ...]:
        return text_digests(folder).tokenizer, folder_config_digest(folder), weights_digest(folder)

    before = all_of()
    changed = json.dumps({"rope_theta": 1.0}).encode() if name == "config.json" else b"other"
    (folder / name).write_bytes(changed)
    assert sum(a != b for a, b in zip(before, all_of(), strict=True)) == 1


def test_what_is_missing_or_broken_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ActivationError, match=r"tokenizer\.json cannot be read"):
        text_digests(folder)
    (folder / "config.json").write_text("[1")
    with pytest.raises(ActivationError, match=r"config\.json cannot be read as JSON"):
        folder_config_digest(folder)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ActivationError, match="no weights"):
        weights_digest(folder)
