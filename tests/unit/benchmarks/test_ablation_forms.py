"""The forms in which conversations are loaded, for the ablation."""

import json
from pathlib import Path

import pytest

from benchmarks import ablation
from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.ablation_forms import ARRIVED, FORMS
from memory_service.analysis.wrapping import said_in
from retrieval.rows import NONE, Role
from tests.unit.benchmarks.conftest import CONVERSATIONS

ITEMS = [
    {
        "content": f"Turn {n}.",
        "external_id": f"d{n}",
        "session_id": f"s{n // 4}",
        "observed_at": f"2024-05-0{1 + n // 4}T13:56:0{n}+00:00",
        "speaker": "Ana" if n % 2 == 0 else "Bo",
    }
    for n in range(8)
]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_keeps_every_turn_and_its_text(name: str) -> None:
    sent = FORMS[name](ITEMS)
    assert sorted(item["external_id"] for item in sent) == [item["external_id"] for item in ITEMS]
    text = {item["external_id"]: item["content"] for item in ITEMS}
    assert all(text[item["external_id"]] in item["content"] for item in sent)


@pytest.mark.parametrize("name", [name for name in FORMS if name.startswith("stamp")])
def test_a_time_before_the_text_is_told_from_it(name: str) -> None:
    sent = FORMS[name](ITEMS)
    assert {item["observed_at"] for item in sent} == {ARRIVED.isoformat()}
    assert [item["content"][said_in(item["content"]).start :] for item in sent] == [item["content"] for item in ITEMS]


def test_roles_are_two() -> None:
    sent = FORMS["roles"](ITEMS)
    assert [item["role"] for item in sent] == ["user", "assistant"] * 4
    assert not any("speaker" in item for item in sent)
    assert all(item["speaker"] and item["role"] for item in FORMS["names-and-roles"](ITEMS))


def test_a_set_is_loaded_in_a_form(tmp_path: Path, encoder: CachedEncoder) -> None:
    lines = "\n".join(map(json.dumps, CONVERSATIONS))
    (tmp_path / "locomo_dev.jsonl").write_text(lines, encoding="utf-8")
    one, _ = ablation.load_set(tmp_path, "locomo", encoder, form=FORMS["roles"])
    assert one.rows.role.tolist() == [Role.USER, Role.ASSISTANT, Role.ASSISTANT]
    assert one.rows.speaker.tolist() == [NONE] * 3
    (each, _) = ablation.load_set(tmp_path, "locomo", encoder, form=FORMS["user-each"])
    assert len(set(each.rows.session.tolist())) == 3
