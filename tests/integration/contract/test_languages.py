"""Memories and questions in several languages, by words alone: other forms of a word are the same word."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

BY_WORDS = {"keyword": 1.0}

# What is stored, and a question that shares no form of a word with it, in the same language.
TEXTS = {
    "de": ("Wir haben letzte Woche die alten Häuser am See fotografiert.", "Wer fotografierte das Haus?"),
    "fr": ("Elle a dessiné les plans de l'école dans la montagne.", "Que dessinait-elle pour des écoles ?"),
    "es": ("Mi hermano horneaba panes de centeno para los vecinos.", "¿Quién hornea el pan de mi vecino?"),
    "ja": ("先月、京都から福岡に引っ越しました。", "誰が福岡に引っ越しましたか？"),
    "zh": ("我上个月从成都搬到了杭州。", "谁搬到了杭州？"),
    "th": ("เมื่อวานฉันไปทะเลกับน้องสาวของฉัน", "ใครไปทะเล"),
}
FILLER = [
    "The choir rehearses on Thursdays at eight.",
    "Der Zug nach Hamburg hatte wieder einmal Verspätung.",
    "Le médecin lui a prescrit des lunettes.",
    "El casero nos subió el alquiler otra vez.",
    "健康診断で血圧が高いと言われました。",
    "医生说我的视力下降了。",
]


def stored(api: Any, **fields: Any) -> dict[str, str]:
    """Store every text beside others; return the ids by language."""
    for other in FILLER:
        api.remember(other, extract="none", **fields)
    return {language: api.remember(content, extract="none", **fields)["id"] for language, (content, _) in TEXTS.items()}


@pytest.mark.parametrize("language", TEXTS)
def test_other_forms_of_a_word_find_it_in_its_own_language(api: Any, language: str) -> None:
    content, question = TEXTS[language]
    memory_id = api.remember(content, extract="none")["id"]
    assert api.found(question, channels=BY_WORDS) == [memory_id]


def test_all_languages_live_in_one_namespace(api: Any) -> None:
    ids = stored(api)
    for language, (_, question) in TEXTS.items():
        answer = api.search(question, channels=BY_WORDS, explain=True)
        assert answer["results"][0]["memory"]["id"] == ids[language], language


def test_namespaces_of_different_languages_are_searched_at_once(api: Any) -> None:
    german = api.remember("Die Katzen schlafen auf dem Dach.", namespace="de", extract="none")["id"]
    english = api.remember("The cats sleep on the roof.", namespace="en", extract="none")["id"]
    assert api.found("Wo schläft die Katze?", namespaces=["de", "en"], channels=BY_WORDS) == [german]
    assert api.found("Where does the cat sleep?", namespaces=["de", "en"], channels=BY_WORDS) == [english]


def test_why_names_the_words_as_the_memory_s_language_cuts_them(api: Any) -> None:
    api.remember("Yesterday we photographed the old houses and the boats.", extract="none")
    memory_id = api.remember(TEXTS["de"][0], extract="none")["id"]
    (result,) = api.search("Wem gehören die Häuser?", channels=BY_WORDS)["results"]
    assert result["memory"]["id"] == memory_id
    assert "haus" in result["why"]


def test_the_language_that_the_caller_states_decides(api: Any) -> None:
    memory_id = api.remember("Häuser, Wolken", language="en", extract="none")["id"]
    other = api.remember("Wir waren am See und haben Enten gesehen.", extract="none")["id"]
    assert api.found("Wo ist das Haus, und wem gehört es?", channels=BY_WORDS) == []
    changed = api.me.patch(f"/v1/memories/{memory_id}", json={"language": "de"})
    assert changed.status_code == 200, changed.text
    assert api.found("Wo ist das Haus, und wem gehört es?", channels=BY_WORDS) == [memory_id]
    assert api.found("Wer hat die Ente am See gesehen?", channels=BY_WORDS) == [other]


def test_a_corrected_text_is_cut_by_its_new_language_and_the_old_one_as_of_then_by_its_own(api: Any) -> None:
    memory_id = api.remember("Wir wohnen in den Häusern am Hafen.", extract="none")["id"]
    before = datetime.now(UTC).isoformat()
    changed = api.me.patch(f"/v1/memories/{memory_id}", json={"content": "We live in the towers of the harbour."})
    assert changed.status_code == 200, changed.text
    assert api.found("Who lived in a tower?", channels=BY_WORDS) == [memory_id]
    assert api.found("Wer wohnte in einem Haus?", channels=BY_WORDS) == []
    as_of = {"known": before}
    assert api.found("Wer wohnte in einem Haus?", channels=BY_WORDS, as_of=as_of) == [memory_id]
    assert api.found("Who lived in a tower?", channels=BY_WORDS, as_of=as_of) == []


def test_enrichment_names_the_language_by_which_the_words_were_cut(api: Any, work: Any) -> None:
    memory_id = api.remember(TEXTS["de"][0])["id"]
    assert api.found(TEXTS["de"][1], channels=BY_WORDS) == [memory_id]
    work(api.tenant_id)
    assert api.read(memory_id)["language"] == "de"
    assert api.found(TEXTS["de"][1], channels=BY_WORDS) == [memory_id]
    renamed = api.me.patch(f"/v1/memories/{memory_id}", json={"title": "Ausflug"})
    assert renamed.status_code == 200, renamed.text
    assert api.found(TEXTS["de"][1], channels=BY_WORDS) == [memory_id]


def test_an_erased_memory_leaves_no_more_than_the_code_of_its_language(api: Any, work: Any, maintenance: Any) -> None:
    memory_id = api.remember(TEXTS["de"][0], extract="none")["id"]
    erased = api.me.delete(f"/v1/memories/{memory_id}", params={"erase": "true"})
    assert erased.status_code == 202, erased.text
    work(api.tenant_id)
    assert api.me.get(f"/v1/memories/{memory_id}").status_code == 410
    with maintenance.connect() as connection:
        left = connection.scalar(text("SELECT languages FROM namespace WHERE tenant_id = :t"), {"t": api.tenant_id})
    assert left == ["de"]
    assert api.found("Wer fotografierte das Haus?", channels=BY_WORDS) == []
