"""Searches with a question: what is found, in which order, and what is not."""

import pytest
from langgraph.store.base import PutOp, SearchItem

from memory_langgraph import MemoryServiceStore

NOTES = {
    "tea": {"text": "Ana drinks green tea every morning.", "topic": "drinks"},
    "dog": {"text": "Her dog Bruno is afraid of thunderstorms.", "topic": "pets"},
    "trip": {"text": "In May they travel to Porto by train.", "topic": "travel"},
    "rent": {"text": "The rent is 950 euros and due on the third.", "topic": "money"},
}


def keys(found: list[SearchItem]) -> list[str]:
    return [item.key for item in found]


@pytest.fixture
def notes(store: MemoryServiceStore) -> MemoryServiceStore:
    store.batch([PutOp(("notes",), key, value, index=["text"]) for key, value in NOTES.items()])
    return store


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("What does she have for breakfast?", "tea"),
        ("Which pet does she own?", "dog"),
        ("Where do they go on holiday?", "trip"),
        ("How much does the flat cost?", "rent"),
    ],
)
def test_the_best_answer_comes_first(notes: MemoryServiceStore, question: str, key: str) -> None:
    found = notes.search(("notes",), query=question)
    assert found[0].key == key
    assert found[0].value == NOTES[key]
    scores = [item.score for item in found]
    assert all(isinstance(score, float) for score in scores)
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]  # Numbers, as just checked.


def test_everything_indexed_is_ranked(notes: MemoryServiceStore) -> None:
    whole = notes.search((), query="train to Porto")
    assert set(keys(whole)) == set(NOTES)
    pages = [notes.search((), query="train to Porto", limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [key for page in pages for key in keys(page)] == keys(whole)


def test_an_item_without_an_index_is_not_found_by_meaning(notes: MemoryServiceStore) -> None:
    notes.put(("notes",), "hidden", {"text": "Ana drinks green tea every morning."}, index=False)
    notes.put(("notes",), "empty", {"text": ""}, index=["text"])
    assert set(keys(notes.search(("notes",), query="green tea", limit=50))) == set(NOTES)
    assert {"hidden", "empty"} < set(keys(notes.search(("notes",))))
    found = notes.get(("notes",), "hidden")
    assert found is not None
    # And it may get one later, and lose it again.
    notes.put(("notes",), "hidden", found.value)
    assert "hidden" in keys(notes.search(("notes",), query="green tea", limit=50))
    notes.put(("notes",), "hidden", found.value, index=False)
    assert "hidden" not in keys(notes.search(("notes",), query="green tea", limit=50))


def test_only_the_indexed_fields_count(store: MemoryServiceStore) -> None:
    store.put(("a",), "one", {"text": "zeppelin", "other": "submarine"}, index=["text"])
    store.put(("a",), "two", {"text": "submarine", "other": "zeppelin"}, index=["text"])
    assert keys(store.search(("a",), query="zeppelin"))[0] == "one"
    assert keys(store.search(("a",), query="submarine"))[0] == "two"
    store.put(("a",), "one", {"text": "zeppelin", "other": "submarine"}, index=["other"])
    store.put(("a",), "two", {"text": "submarine", "other": "zeppelin"}, index=["other"])
    assert keys(store.search(("a",), query="zeppelin"))[0] == "two"


def test_the_fields_of_the_store_are_the_default(make_store: "object") -> None:
    store: MemoryServiceStore = make_store(fields=["title", "notes[*].text"])  # type: ignore[operator]
    store.put(("a",), "one", {"title": "Plants", "notes": [{"text": "ferns"}, {"text": "orchids"}], "x": "whales"})
    store.put(("a",), "two", {"title": "Animals", "notes": [{"text": "whales"}], "x": "orchids"})
    store.put(("a",), "none", {"x": "orchids whales"})
    assert keys(store.search(("a",), query="orchids")) == ["one", "two"]
    assert keys(store.search(("a",), query="whales")) == ["two", "one"]


def test_a_changed_text_is_found_by_its_new_words(notes: MemoryServiceStore) -> None:
    notes.put(("notes",), "tea", {"text": "Ana gave up tea for cycling."})
    assert keys(notes.search(("notes",), query="riding a bicycle"))[0] == "tea"
    assert len(notes.search(("notes",), query="tea", limit=50)) == len(NOTES)


def test_languages(store: MemoryServiceStore) -> None:
    texts = {"zh": "这是中文", "ja": "これは日本語です", "ko": "이건 한국어야", "ru": "Это русский", "hi": "यह रूसी है"}
    store.batch([PutOp(("l",), key, {"text": text}) for key, text in texts.items()])
    for key, text in texts.items():
        assert keys(store.search(("l",), query=text))[0] == key


@pytest.mark.parametrize("query", ["", "  \n", None])
def test_no_question_lists_instead(notes: MemoryServiceStore, query: "str | None") -> None:
    found = notes.search(("notes",), query=query)
    assert set(keys(found)) == set(NOTES)
    assert all(item.score is None for item in found)


@pytest.mark.parametrize("query", ["test " * 20_000, "test!@#$%^&*()", "\x00", "\ud800", "\u200b", "ü" * 20_000])
def test_odd_questions_are_answered(notes: MemoryServiceStore, query: str) -> None:
    assert isinstance(notes.search(("notes",), query=query), list)


def test_what_only_looks_like_a_match_takes_no_place(store: MemoryServiceStore) -> None:
    # For the service a list equals what it holds, so it lets these through; they must not use up the results.
    lists = [PutOp(("a",), f"l{n}", {"text": "green tea", "tag": ["x"]}) for n in range(40)]
    store.batch([*lists, PutOp(("a",), "one", {"text": "a train to Porto", "tag": "x"})])
    assert keys(store.search(("a",), query="green tea", filter={"tag": "x"}, limit=1)) == ["one"]
    assert keys(store.search(("a",), filter={"tag": "x"}, limit=1)) == ["one"]


def test_a_filter_selects_before_the_best_are_taken(store: MemoryServiceStore) -> None:
    # Items that fit the question better must not crowd out the few that the filter is about.
    crowd = [PutOp(("a",), f"c{n}", {"text": "green tea in the morning", "n": n, "of": "crowd"}) for n in range(300)]
    store.batch([*crowd, PutOp(("a",), "few", {"text": "a train to Porto", "n": -1, "of": "few"})])
    assert len(store.search(("a",), query="green tea", limit=150)) == 150
    assert len(store.search(("a",), query="green tea", limit=20, offset=130)) == 20
    assert keys(store.search(("a",), query="green tea", filter={"of": "few"})) == ["few"]
    assert keys(store.search(("a",), query="green tea", filter={"n": {"$lt": 0}})) == ["few"]
    assert keys(store.search(("a",), query="green tea", filter={"of": {"$ne": "crowd"}})) == ["few"]
