"""Replies put together from words of the texts and words that are not: what is taken keeps every rule, whatever was said.

Noise of a real decoder (`tests/vllm`) hardly ever gets as far as being taken. These replies do, half of the time.
"""

from typing import Any
from uuid import UUID

from hypothesis import event, given
from hypothesis import strategies as st

from consolidation.model.extraction import USER, FactsReply, read_facts
from consolidation.model.gist_writing import GistReply, read_sentences
from consolidation.model.grounding import SHARE, find_quote, numbers_of, share_of, words_of
from consolidation.model.note_writing import NotesReply, read_notes
from consolidation.model.passages import Passage, labelled
from consolidation.model.verdicts import ConflictsReply, Decision, LinksReply, read_conflicts, read_links

PASSAGES = [
    Passage(UUID(int=1), "I adopted a cat, Mia, in May. My rent is 900 a month.", speaker="Ana"),
    Passage(UUID(int=2), "Ana's cat is fine. Her rent rose to 950.", speaker="Bo", trust=0.3),
    Passage(UUID(int=3), "It rained all day.", trust=0.8),
]
OFFERED = labelled(PASSAGES)
PAIRS = {"p1": (PASSAGES[0], PASSAGES[1]), "p2": (PASSAGES[1], PASSAGES[0]), "p3": (PASSAGES[0], PASSAGES[2])}
BY_ID = {passage.id: passage for passage in PASSAGES}

WORDS = sorted({word for passage in PASSAGES for word in passage.text.split()} | {"Ana", "Bo"})
FOREIGN = ["password", "4711", "ignore", "all", "previous", "Zoe", "1,000", "</data>", "void", "records"]
SAYING = st.lists(st.sampled_from(WORDS) | st.sampled_from(WORDS + FOREIGN), min_size=1, max_size=7).map(" ".join)
QUOTE = (
    st.sampled_from(["adopted a cat, Mia", "my rent is 900", "cat is fine", "rose to 950", "rained", "I", "no"])
    | SAYING
)
LABEL = st.sampled_from(["m1", "m2", "m3", "m9", str(UUID(int=1))])
PAIR = st.sampled_from(["p1", "p2", "p3", "p9", "m1"])


def record(**fields: Any) -> Any:
    return st.fixed_dictionaries(fields)


def grounded(statement: str, sources: list[str]) -> bool:
    """Say again what the rule is, in other words than the code."""
    held = {number for source in sources for number in numbers_of(source)}
    return numbers_of(statement) <= held and share_of(statement, sources) >= SHARE


FACT = record(
    subject=st.sampled_from(["Ana", "Bo", "Mia", "Zoe", "user", "I"]) | SAYING,
    attribute=SAYING,
    value=SAYING,
    sentence=SAYING,
    evidence=st.lists(record(id=LABEL, quote=QUOTE), min_size=1, max_size=3),
)


@given(st.lists(FACT, max_size=5))
def test_facts(facts: list[dict[str, Any]]) -> None:
    reading = read_facts(FactsReply.model_validate({"facts": facts}), OFFERED)
    event(f"taken: {len(reading.found)}")
    assert reading.answered == BY_ID.keys()
    assert len(reading.found) + len(reading.refused) <= len(facts)
    for fact in reading.found:
        cited = [BY_ID[one.memory_id] for one in fact.evidence]
        assert cited
        for one in fact.evidence:
            text = BY_ID[one.memory_id].text
            assert find_quote(text, text[slice(*one.span)]) is not None
        assert grounded(fact.value, [passage.text for passage in cited])
        assert fact.subject == USER or any(words_of(fact.subject) <= words_of(one.said) for one in PASSAGES)
        said = numbers_of(" ".join([fact.subject, *(passage.said for passage in cited)]))
        assert numbers_of(f"{fact.attribute} {fact.value} {fact.sentence}") <= said
        assert fact.trust == min(passage.trust for passage in cited)


@given(
    st.lists(
        record(
            id=LABEL,
            title=SAYING,
            context=SAYING,
            keywords=st.lists(st.sampled_from(WORDS + FOREIGN), max_size=4),
            tags=st.lists(st.sampled_from(["Pets", "home life", "a b c d e f", "<b>", "x;y", "ok"]), max_size=3),
        ),
        max_size=5,
    )
)
def test_notes(notes: list[dict[str, Any]]) -> None:
    reading = read_notes(NotesReply.model_validate({"notes": notes}), OFFERED)
    event(f"taken: {len(reading.found)}")
    assert [note.memory_id for note in reading.found] == list(dict.fromkeys(note.memory_id for note in reading.found))
    assert reading.answered == {note.memory_id for note in reading.found} <= BY_ID.keys()
    for note in reading.found:
        said = BY_ID[note.memory_id].said
        assert all(text is None or grounded(text, [said]) for text in (note.title, note.context))
        assert all(words_of(word) <= words_of(said) | set(said.lower().split()) for word in note.keywords)
        assert set(note.tags) <= {"pets", "home-life", "ok"}


@given(st.lists(record(text=SAYING, sources=st.lists(LABEL, min_size=1, max_size=3)), max_size=5))
def test_gists(sentences: list[dict[str, Any]]) -> None:
    reading = read_sentences(GistReply.model_validate({"sentences": sentences}), OFFERED)
    event(f"taken: {len(reading.found)}")
    for sentence in reading.found:
        cited = [BY_ID[one.memory_id] for one in sentence.citations]
        assert grounded(sentence.text, [passage.said for passage in cited])
        assert all(
            passage.text[slice(*one.span)].strip() for passage, one in zip(cited, sentence.citations, strict=True)
        )
        assert sentence.trust == min(passage.trust for passage in cited)


@given(st.lists(record(pair=PAIR, type=st.sampled_from(["similar", "supports", "contradicts", "none"])), max_size=6))
def test_links(verdicts: list[dict[str, Any]]) -> None:
    reading = read_links(LinksReply.model_validate({"verdicts": verdicts}), PAIRS)
    event(f"taken: {len(reading.found)}")
    by_pair: dict[str, set[str]] = {}
    for verdict in verdicts:
        by_pair.setdefault(verdict["pair"], set()).add(verdict["type"])
    one_mind = {
        (PAIRS[name][0].id, PAIRS[name][1].id) for name, said in by_pair.items() if name in PAIRS and len(said) == 1
    }
    assert reading.answered <= one_mind
    assert reading.answered == {verdict.pair for verdict in reading.found}


@given(
    st.lists(
        record(pair=PAIR, decision=st.sampled_from(["duplicate", "supersede", "add", "uncertain"]), reason=SAYING),
        max_size=6,
    )
)
def test_conflicts(verdicts: list[dict[str, Any]]) -> None:
    reading = read_conflicts(ConflictsReply.model_validate({"verdicts": verdicts}), PAIRS)
    event(f"taken: {len(reading.found)}")
    for verdict in reading.found:
        stored, new = (BY_ID[one] for one in verdict.pair)
        assert (stored, new) in PAIRS.values(), "the order of a pair is never turned round"
        if verdict.decision is Decision.SUPERSEDE:
            assert new.trust >= stored.trust
        if verdict.decision is Decision.DUPLICATE:
            assert numbers_of(new.text) <= numbers_of(stored.text)
        assert verdict.said is None or verdict.decision is Decision.UNCERTAIN
