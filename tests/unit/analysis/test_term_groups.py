from datetime import datetime
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.analysis.language import guess
from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.term_groups import _joined, query_terms
from memory_service.analysis.tokens import MONTHS, terms

LANGUAGES = [
    "ar",
    "da",
    "de",
    "en",
    "es",
    "fi",
    "fr",
    "it",
    "ja",
    "ko",
    "mis",
    "nl",
    "pl",
    "pt",
    "ru",
    "th",
    "tr",
    "und",
    "zh",
]
SOME_WORDS = (
    "Häuser Straße houses running l'hôtel maisons dell'arte città corazones mañana книги дома evleri 東京都 図書館 "
    "图书馆 กรุงเทพ 도서관에 كتاب o'brien 1,200 2023 Lena's don't May mai mars 5月"
)
WORDS = st.one_of(
    st.sampled_from(SOME_WORDS.split()),
    st.text(alphabet=st.characters(categories=["L", "Nd"]), min_size=1, max_size=12),
)
SEEN = datetime(2024, 5, 8)


def cut(content: str, language: str, *, at: datetime = SEEN) -> tuple[str, ...]:
    return memory_terms(content, language=language, speaker=None, observed_at=at, title=None, context=None)


@given(st.lists(WORDS, min_size=1, max_size=8), st.sampled_from(LANGUAGES), st.sets(st.sampled_from(LANGUAGES)))
def test_a_memory_s_own_words_find_it_in_its_own_language(words, language, others):
    held = set(cut(" ".join(words), language))
    for word in words:
        # A query that is recognisably in another language has stop words of its own.
        if guess(word) not in {"und", language} or not terms(word, language):
            continue
        groups = query_terms(word, {language, *others})
        assert held & {term for group in groups for term in group}, (word, groups)


@given(st.text(max_size=80), st.sets(st.sampled_from(LANGUAGES)))
def test_groups_share_no_term(query, languages):
    groups = query_terms(query, languages)
    assert all(group and all(group) for group in groups)
    for one, other in combinations(groups, 2):
        assert set(one).isdisjoint(other)


def joined_one_by_one(found: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Join as the definition says: each group with all earlier ones that share a term, in the place of the first."""
    groups: list[tuple[str, ...]] = []
    for group in filter(None, found):
        same = [other for other in groups if not set(group).isdisjoint(other)]
        place = groups.index(same[0]) if same else len(groups)
        groups = [other for other in groups if other not in same]
        groups.insert(place, tuple(dict.fromkeys(term for other in (*same, group) for term in other)))
    return tuple(groups)


@given(st.lists(st.lists(st.sampled_from("abcdefghijkl"), max_size=4, unique=True).map(tuple), max_size=24))
def test_groups_that_share_a_term_are_joined_as_if_each_were_compared_with_all(found):
    assert _joined(found) == joined_one_by_one(found)
    assert _joined(dict.fromkeys(found)) == joined_one_by_one(found)


def test_the_work_grows_with_the_words_and_not_with_their_square():
    class Term(str):
        """A term that counts how often it is looked at."""

        looks = 0
        __slots__ = ()

        def __hash__(self) -> int:
            Term.looks += 1
            return super().__hash__()

    def looks(words: int) -> int:
        Term.looks = 0
        assert len(_joined([(Term(f"word{number}"),) for number in range(words)])) == words
        return Term.looks

    assert looks(4_000) <= 20 * 4_000


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=80), st.sets(st.sampled_from(["en", "und"])))
def test_where_all_is_english_a_query_is_cut_as_it_always_was(query, languages):
    if guess(query) in {"en", "und"}:
        assert [group for group in query_terms(query, languages)] == [
            (term,) for term in dict.fromkeys(terms(query, "en"))
        ]


def test_a_word_has_one_term_for_each_language_that_cuts_it_in_its_own_way():
    assert query_terms("Häuser", ["de"]) == (("haus",),)
    assert query_terms("Häuser", ["en"]) == (("hauser",),)
    assert query_terms("Häuser", ["en", "de"]) == (("haus", "hauser"),)
    # Nobody knows in which language it is asked; those that are named come before the unknown one.
    assert query_terms("Häuser", ["und", "de"])[0][0] == "haus"


def test_stop_words_are_those_of_the_question():
    """ "die" is a word in English and none in a German question, whoever else is there."""
    assert query_terms("Was hat die Katze gefressen?", ["de", "en"])[0] == ("katz",)
    assert ("die",) in query_terms("Why did the plant die?", ["de", "en"])


# Only in Thai is the name of a month several pairs of characters and no word.
@pytest.mark.parametrize("asked", sorted(MONTHS.keys() - {"th"}))
@pytest.mark.parametrize("written", ["de", "en", "es", "fr", "ja", "ko", "zh"])
@pytest.mark.parametrize("month", [1, 5, 8, 12])
def test_a_month_is_the_same_month_in_every_language(asked, written, month):
    """A memory is dated in its own language; whoever asks names the month in theirs."""
    held = set(cut("", written, at=datetime(2024, month, 28)))
    groups = query_terms(MONTHS[asked][month - 1], {written, asked})
    assert held & {term for group in groups for term in group}


def test_a_date_in_digits_meets_the_month_of_every_language():
    day, month, year = query_terms("2024-05-08", ["de", "en", "ja"])
    assert (day, year) == (("8",), ("2024",))
    assert set(month) == {"mai", "may", "5月"}


@pytest.mark.parametrize(
    ("content", "stated", "language"),
    [
        ("Ich war gestern am See", None, "de"),
        ("Ich war gestern am See", "en-GB", "en"),
        ("ok", None, "und"),
        ("昨日は湖に行きました", None, "ja"),
        ("Qapla'", "tlh", "mis"),
        ("ok", "und", "und"),
    ],
)
def test_the_language_is_what_the_record_states_or_the_text_looks_like(content, stated, language):
    assert language_of(content, stated) == language


@given(st.text(max_size=120))
def test_what_enrichment_writes_into_the_record_changes_no_term(content):
    language = language_of(content, None)
    assert language_of(content, guess(content)) == language
    assert cut(content, language) == cut(content, language_of(content, guess(content)))
