"""The hybrid query against the pure formulas: the same candidates, the same scores."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.lifecycle import archive
from memory_service.lifecycle.correct import correct
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, dedupe_hash, said_hash
from memory_service.lifecycle.remember import remember
from memory_service.storage import pending
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.precision import move_tiers
from memory_service.storage.sql import Sql
from memory_service.types import Extract, PrecisionTier
from retrieval import statements
from retrieval.bm25 import impacts, inverse_document_frequency
from retrieval.corpus import describe_corpus
from retrieval.statements import KeywordQuery, Scope
from retrieval.statements import find_candidates as find_arrays

DIMENSION = 384
WORDS = [f"word{i}" for i in range(40)]


class Row(NamedTuple):
    memory_id: UUID
    vector: float | None
    keyword: float | None


class Found(NamedTuple):
    rows: list[Row]
    document_frequency: dict[str, int]


def find_candidates(*arguments: Any, **options: Any) -> Found:
    """Run the query and turn its arrays into rows."""
    found = find_arrays(*arguments, **options)
    nothing = [None] * len(found.ids)
    rows = zip(found.ids, found.vector or nothing, found.keyword or nothing, strict=True)
    return Found([Row(*row) for row in rows], found.document_frequency)


def unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


def beside(vector: np.ndarray, cosine: float, rng: np.random.Generator) -> np.ndarray:
    """Return a unit vector at random of a cosine to another."""
    other = unit(rng)
    other -= (other @ vector) * vector
    return (cosine * vector + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)).astype(np.float32)


def begin_namespace(session: Session, tenant_id: UUID, path: str, encoder_id: int) -> None:
    """Make a namespace of an encoder that is not the database's default, as they are after a change of it."""
    session.execute(
        text(
            "INSERT INTO namespace (tenant_id, id, path, encoder_id, shelf, created_at, terms_version) "
            "VALUES (:tenant, :id, :path, :encoder, 0, now(), :version) ON CONFLICT DO NOTHING"
        ),
        {"tenant": tenant_id, "id": new_id(), "path": path, "encoder": encoder_id, "version": TERMS_VERSION},
    )


class Corpus:
    """Random memories of one tenant, in the database and in plain Python."""

    def __init__(self, database: Database, tenant_id: UUID, encoder_id: int, *, size: int, seed: int = 7) -> None:
        self.database, self.tenant_id, self.encoder_id = database, tenant_id, encoder_id
        self.rng = np.random.default_rng(seed)
        self.start = datetime.now(UTC)
        self.vectors: dict[UUID, np.ndarray] = {}
        self.terms: dict[UUID, tuple[str, ...]] = {}
        self.user: dict[UUID, str] = {}
        self.add(size)

    def add(
        self,
        size: int,
        *,
        namespace: str = "corpus",
        chunks: int = 1,
        user: str | None = None,
        said: tuple[str, ...] = (),
        near: tuple[np.ndarray, float] | None = None,
        session_id: str | None = None,
    ) -> list[UUID]:
        weights = 1 / np.arange(1, len(WORDS) + 1)
        prepared = []
        with self.database.transaction(self.tenant_id) as session:
            begin_namespace(session, self.tenant_id, namespace, self.encoder_id)
        for _ in range(size):
            terms = said or tuple(
                self.rng.choice(WORDS, size=int(self.rng.integers(3, 60)), p=weights / weights.sum()).tolist()
            )
            draft = Draft(
                " ".join(terms),
                namespace=namespace,
                user_id=user or str(self.rng.integers(0, 5)),
                session_id=session_id,
                extract=Extract.NONE,
            )
            parts = tuple(
                Chunk((i, i + 1), unit(self.rng) if near is None else beside(*near, self.rng)) for i in range(chunks)
            )
            prepared.append(
                Prepared(
                    draft,
                    self.start,
                    content_hash(draft.content),
                    dedupe_hash(draft),
                    said_hash(draft.user_id, content_hash(draft.content)),
                    terms,
                    parts,
                )
            )
        encoding = Encoding(lambda texts: np.zeros((0, 0)), lambda text: [], self.encoder_id)
        with self.database.transaction(self.tenant_id) as session:
            outcomes = remember(session, self.tenant_id, prepared, encoding=encoding, now=datetime.now(UTC))
        ids = [outcome.memory_id for outcome in outcomes]
        for memory_id, item in zip(ids, prepared, strict=True):
            self.vectors[memory_id] = np.stack([c.vector for c in item.chunks]).astype(np.float16).astype(np.float32)
            self.terms[memory_id] = item.terms
            self.user[memory_id] = str(item.draft.user_id)
        return ids

    def scope(self, **options: object) -> Scope:
        with self.database.transaction(self.tenant_id) as session:
            namespace = find_namespaces(session, self.tenant_id, ["corpus"])["corpus"]
        return Scope(
            tenant_id=self.tenant_id,
            namespace_ids=(namespace.id,),
            shelf=0,
            encoder_id=self.encoder_id,
            **{"at": datetime.now(UTC), **options},
        )

    def cosine(self, memory_id: UUID, query: np.ndarray) -> float:
        return float((self.vectors[memory_id] @ query).max())

    def bm25(self, memory_id: UUID, terms: tuple[str, ...]) -> float:
        documents = Counter(term for words in self.terms.values() for term in set(words))
        weights = impacts(self.terms[memory_id])
        return sum(
            inverse_document_frequency(len(self.terms), documents[t]) * weights[t] for t in terms if t in weights
        )


@pytest.fixture(scope="module")
def corpus(database: Database, make_tenant, encoder_id: int) -> Corpus:
    tenant_id, _ = make_tenant()
    return Corpus(database, tenant_id, encoder_id, size=400)


def test_vector_channel_is_exact(corpus: Corpus) -> None:
    query = unit(corpus.rng)
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=query, keyword=None, per_channel=50)
    got = sorted(found.rows, key=lambda row: (-row.vector, row.memory_id))[:50]
    want = sorted(corpus.vectors, key=lambda i: -corpus.cosine(i, query))[:50]
    assert {row.memory_id for row in got} == set(want)
    for row in got:
        # The query travels as half precision, too.
        assert row.vector == pytest.approx(corpus.cosine(row.memory_id, query), abs=2e-3)


@pytest.mark.parametrize("common", [0, 2])
def test_keyword_scores_are_bm25(corpus: Corpus, common: int) -> None:
    terms = ("word3", "word9", "word20", "absent")
    documents = Counter(term for words in corpus.terms.values() for term in set(words))
    query = KeywordQuery(
        rare=terms[common:], common=tuple((t, documents[t]) for t in terms[:common]), documents=len(corpus.terms)
    )
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=None, keyword=query, per_channel=400)
    matching = [i for i, words in corpus.terms.items() if set(words) & set(terms[common:])]
    assert {row.memory_id for row in found.rows} == set(matching)
    for row in found.rows:
        assert row.keyword == pytest.approx(corpus.bm25(row.memory_id, terms), rel=1e-5)
    assert found.document_frequency == {t: documents[t] for t in terms if documents[t]}


def best_by_keywords(corpus: Corpus, query: KeywordQuery, *, k: int) -> tuple[list[float], list[float]]:
    """Return the scores of the first k that the channel chose and of the first k of full BM25, best first."""
    terms = (*query.rare, *(term for term, _ in query.common))
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=None, keyword=query, per_channel=k)
    every = sorted((corpus.bm25(one, terms) for one in corpus.terms), reverse=True)
    return sorted((row.keyword or 0.0 for row in found.rows), reverse=True)[:k], every[:k]


@pytest.mark.parametrize("rare", [("word20", "word33"), ("word12", "word17", "word31")])
@pytest.mark.parametrize("common", [(), ("word0",), ("word0", "word2", "word5")])
def test_what_is_left_out_could_not_have_been_among_the_best(
    corpus: Corpus, rare: tuple[str, ...], common: tuple[str, ...]
) -> None:
    """Common terms that do not choose are looked up only where they could matter: the best are the same as with all."""
    documents = Counter(term for words in corpus.terms.values() for term in set(words))
    query = KeywordQuery(rare=rare, common=tuple((t, documents[t]) for t in common), documents=len(corpus.terms))
    chosen, every = best_by_keywords(corpus, query, k=10)
    assert chosen == pytest.approx(every, rel=1e-5)


@pytest.mark.parametrize("rare", [(), ("absent",), ("word33",), ("word12", "word25")])
def test_common_terms_that_choose_bring_those_that_they_alone_tell(corpus: Corpus, rare: tuple[str, ...]) -> None:
    common = ("word2", "word5")
    documents = Counter(term for words in corpus.terms.values() for term in set(words))
    query = KeywordQuery(
        rare=rare, common=tuple((t, documents[t]) for t in common), documents=len(corpus.terms), heads=common[::-1]
    )
    chosen, every = best_by_keywords(corpus, query, k=10)
    # They are read as far as a memory with the others in it once could be among the best. These texts repeat them again and
    # again, so that some are missed: of a million less common ones .97 are found.
    assert sum(score >= every[-1] * (1 - 1e-5) for score in chosen) >= 8
    assert chosen[0] == pytest.approx(every[0], rel=1e-5)


def test_many_that_are_level_fill_all_places(corpus: Corpus) -> None:
    """A bound that rounds a little higher than what it bounds would leave out everybody at once."""
    for number in range(40):
        corpus.add(1, said=("level", "level", f"other{number}"), user="level")
    for df in range(5_371, 5_471, 5):
        query = KeywordQuery(rare=(), common=(("level", df),), documents=1_000_000, heads=("level",))
        chosen, _ = best_by_keywords(corpus, query, k=30)
        assert len(chosen) == 30, df


@pytest.mark.parametrize("common", [False, True])
def test_the_terms_of_one_word_count_as_one_term(corpus: Corpus, common: bool) -> None:
    """Its rarity is that of all of them together, whichever a memory holds; a word has the name of its first term."""
    words = {"word25": ("word25", "word35")}
    holding = {i: [t for t in words["word25"] if t in terms] for i, terms in corpus.terms.items()}
    holding = {i: terms for i, terms in holding.items() if terms}
    assert any(terms == ["word35"] for terms in holding.values())
    documents, frequency = len(corpus.terms), sum(map(len, holding.values()))
    query = KeywordQuery(
        rare=("word9",) if common else ("word9", "word25"),
        common=(("word25", frequency),) if common else (),
        documents=documents,
        alternatives=words,
    )
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=None, keyword=query, per_channel=400)
    assert found.document_frequency["word25"] == frequency
    assert set(found.document_frequency) == {"word9", "word25"}
    rarity = inverse_document_frequency(documents, frequency)
    for row in found.rows:
        weights = impacts(corpus.terms[row.memory_id])
        word = rarity * sum(weights[t] for t in holding.get(row.memory_id, ()))
        assert row.keyword == pytest.approx(word + corpus.bm25(row.memory_id, ("word9",)), rel=1e-5)
    if not common:
        assert holding.keys() <= {row.memory_id for row in found.rows}


def test_a_bound_that_is_not_reached_changes_nothing(corpus: Corpus) -> None:
    query = KeywordQuery(rare=("word9", "word30", "absent"), common=(("word1", 250),), documents=len(corpus.terms))
    with corpus.database.transaction(corpus.tenant_id) as session:
        free, bounded = (
            find_candidates(session, corpus.scope(), vector=None, keyword=one, per_channel=400)
            for one in (query, replace(query, bounded=True))
        )
    assert {row.memory_id: row.keyword for row in bounded.rows} == pytest.approx(
        {row.memory_id: row.keyword for row in free.rows}
    )
    assert bounded.document_frequency == free.document_frequency


@pytest.mark.parametrize("filtered", [False, True])
def test_no_more_postings_are_read_than_the_bound_however_many_words_are_asked(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, filtered: bool
) -> None:
    """Words are read in their order while there is room; the one that has too little counts as not read."""
    documents = Counter(term for words in corpus.terms.values() for term in set(words))
    asked = tuple(WORDS[39:9:-1])
    room = documents["word39"] + documents["word38"] + documents["word37"] + 1
    monkeypatch.setattr(statements, "MOST_READ", room)
    query = KeywordQuery(
        rare=asked, common=(), documents=len(corpus.terms), bounded=True, left_out=(("word0", documents["word0"]),)
    )
    scope = corpus.scope(where=Sql("m.user_id = :who", {"who": "1"})) if filtered else corpus.scope()
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, scope, vector=None, keyword=query, per_channel=400)
    read = asked[:3]
    holding = {i for i, words in corpus.terms.items() if set(words) & set(read)}
    assert {row.memory_id for row in found.rows} == {i for i in holding if not filtered or corpus.user[i] == "1"}
    for row in found.rows:
        assert row.keyword == pytest.approx(corpus.bm25(row.memory_id, read), rel=1e-5)
    assert {term: found.document_frequency[term] for term in read} == {term: documents[term] for term in read}
    # The ranking weighs all words: what was not read is taken for as frequent as what was, and what is counted is known.
    assert {found.document_frequency[term] for term in asked[3:]} == {room // 4}
    assert found.document_frequency["word0"] == documents["word0"]


def test_a_term_that_became_common_since_it_was_counted_leaves_room_for_others(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = Counter(term for words in corpus.terms.values() for term in set(words))
    assert documents["word0"] > documents["word30"] + 20
    monkeypatch.setattr(statements, "MOST_READ", documents["word30"] + 20)
    monkeypatch.setattr(statements, "COMMON_AT_MOST", documents["word30"])
    query = KeywordQuery(rare=("word30", "word0"), common=(), documents=len(corpus.terms), bounded=True)
    for rare in (query.rare, query.rare[::-1]):
        with corpus.database.transaction(corpus.tenant_id) as session:
            found = find_candidates(
                session, corpus.scope(), vector=None, keyword=replace(query, rare=rare), per_channel=400
            )
        assert len(found.rows) == documents["word30"]


def test_every_candidate_is_scored_in_both_channels(corpus: Corpus) -> None:
    query, terms = unit(corpus.rng), ("word15", "word30")
    keyword = KeywordQuery(rare=terms, common=(), documents=len(corpus.terms))
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=query, keyword=keyword, per_channel=20)
    assert len(found.rows) > 20
    for row in found.rows:
        assert row.vector == pytest.approx(corpus.cosine(row.memory_id, query), abs=2e-3)
        assert row.keyword == pytest.approx(corpus.bm25(row.memory_id, terms), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("by", [("vector", "keyword"), ("vector",), ("keyword",)], ids="+".join)
def test_the_better_half_of_each_channel_is_named(corpus: Corpus, by: tuple[str, ...]) -> None:
    query, terms = unit(corpus.rng), ("word15", "word30")
    keyword = KeywordQuery(rare=terms, common=(), documents=len(corpus.terms))
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_arrays(
            session, corpus.scope(), per_channel=20,
            vector=query if "vector" in by else None, keyword=keyword if "keyword" in by else None,
        )  # fmt: skip
    best: set[UUID] = set()
    for scores in (found.vector, found.keyword):
        ranked = sorted(zip(scores or (), found.ids, strict=False), key=lambda one: (-(one[0] or 0), one[1]))
        best |= {memory_id for _, memory_id in ranked[:10]}
    assert set(found.foremost) == best
    assert len(best) < len(found.ids)


def test_faded_memories_take_no_place_of_exact_ones_among_the_foremost(
    database: Database, make_tenant: Any, encoder_id: int
) -> None:
    """The best of many estimates look nearer than they are."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=1, seed=5)
    vector = unit(corpus.rng)
    exact, faded = [], []
    for n in range(150):
        exact += corpus.add(1, near=(vector, 0.55 - n / 1000), said=("a", f"no{n}"))
        faded += corpus.add(1, near=(vector, 0.549 - n / 1000), said=("b", f"no{n}"))
    with database.transaction(corpus.tenant_id) as session:
        move_tiers(session, corpus.tenant_id, [(one, PrecisionTier.INT8) for one in faded], now=datetime.now(UTC))
        found = find_arrays(session, corpus.scope(), vector=vector, keyword=None, per_channel=30, scored=False)
    assert set(exact[:15]) <= set(found.foremost)
    assert len(set(found.foremost) & set(faded)) == 15
    assert len(found.foremost) == 30


def test_the_foremost_by_words_stay_so_when_more_is_asked_of_the_vectors(
    database: Database, make_tenant: Any, encoder_id: int
) -> None:
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=60, seed=4)
    vector = unit(corpus.rng)
    corpus.add(5, chunks=9, near=(vector, 0.8), said=("treatise",))
    (said,) = corpus.add(1, near=(vector, -0.5), said=("rare",))
    keyword = KeywordQuery(rare=("rare",), common=(), documents=66)
    with database.transaction(corpus.tenant_id) as session:
        found = find_arrays(session, corpus.scope(), vector=vector, keyword=keyword, per_channel=10, scored=False)
    assert said in found.foremost


def test_filters_apply_before_the_cut(corpus: Corpus) -> None:
    mine = corpus.add(3, user="rare user")
    query = -corpus.vectors[mine[0]].mean(axis=0)  # as far from them as can be
    scope = corpus.scope(where=Sql("m.user_id = :who", {"who": "rare user"}))
    keyword = KeywordQuery(rare=("word1",), common=(), documents=400)
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, scope, vector=query, keyword=keyword, per_channel=10)
    assert {row.memory_id for row in found.rows} == set(mine)


def test_many_chunks_of_one_memory_take_one_place(corpus: Corpus) -> None:
    (long_one,) = corpus.add(1, chunks=40, user="long")
    query = corpus.vectors[long_one][17]
    with corpus.database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=query, keyword=None, per_channel=10)
    ids = [row.memory_id for row in found.rows]
    assert len(ids) == len(set(ids))
    best = max(found.rows, key=lambda row: row.vector)
    assert best.memory_id == long_one
    assert best.vector == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("words", [False, True])
def test_long_texts_push_no_other_memory_out(
    database: Database, make_tenant: Any, encoder_id: int, words: bool
) -> None:
    """The best memories are chosen, however many chunks the best of them have; and no more than otherwise."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=60)
    query = unit(corpus.rng)
    corpus.add(5, chunks=20, near=(query, 0.8))
    corpus.add(12, chunks=3, near=(query, 0.7))
    keyword = KeywordQuery(rare=("word20",), common=(), documents=len(corpus.terms)) if words else None
    with database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, corpus.scope(), vector=query, keyword=keyword, per_channel=20)
    best = sorted(found.rows, key=lambda row: -(row.vector or 0.0))
    want = sorted(corpus.vectors, key=lambda one: -corpus.cosine(one, query))
    assert {row.memory_id for row in best[:20]} == set(want[:20])
    assert words or len(best) == 30


def test_search_as_known_before_a_change(corpus: Corpus) -> None:
    (memory_id,) = corpus.add(1, user="time traveller")
    query = corpus.vectors[memory_id][0]
    before = datetime.now(UTC)
    with corpus.database.transaction(corpus.tenant_id) as session:
        archive.archive(session, corpus.tenant_id, [memory_id], now=datetime.now(UTC))

    def found(**options: object) -> set[UUID]:
        with corpus.database.transaction(corpus.tenant_id) as session:
            rows = find_candidates(session, corpus.scope(**options), vector=query, keyword=None, per_channel=5).rows
        return {row.memory_id for row in rows}

    assert memory_id not in found()
    assert memory_id in found(at=before, as_known=True)
    assert memory_id in found(at=before, as_known=True, where=Sql("m.user_id = :u", {"u": "time traveller"}))
    assert memory_id in found(archived=True)
    assert memory_id not in found(at=before - timedelta(days=1), as_known=True)
    with corpus.database.transaction(corpus.tenant_id) as session:
        archive.restore(session, corpus.tenant_id, [memory_id], now=datetime.now(UTC))
    assert memory_id in found()


def test_common_terms_are_learned_by_the_fold(database: Database, make_tenant, encoder_id: int, monkeypatch) -> None:
    tenant_id, _ = make_tenant()
    corpus = Corpus(database, tenant_id, encoder_id, size=120)
    namespace_id = corpus.scope().namespace_ids[0]
    with database.transaction(tenant_id) as session:
        assert describe_corpus(session, tenant_id, ["corpus"], "word0").documents == 120
    # A hundred and twenty documents have no term in five hundred; lower the bar for this corpus.
    monkeypatch.setattr(pending, "COMMON_FROM", 50)
    with database.transaction(tenant_id) as session:
        assert pending.fold_corpus(session, tenant_id, namespace_id)
    documents = Counter(term for words in corpus.terms.values() for term in set(words))
    with database.transaction(tenant_id) as session:
        described = describe_corpus(session, tenant_id, ["corpus"], " ".join(WORDS))
    assert described.documents == 120
    assert described.common == {t: n for t, n in documents.items() if n >= 50}


def test_the_archive_is_searched_by_present_text_only(corpus: Corpus) -> None:
    """Earlier texts of a memory must lend it no score, neither by vector nor by look-ups of common terms."""
    (memory_id,) = corpus.add(1, user="rewritten")
    old = corpus.vectors[memory_id][0]
    new = unit(corpus.rng)
    with corpus.database.transaction(corpus.tenant_id) as session:
        correct(
            session,
            corpus.tenant_id,
            memory_id,
            {"content": "zxqv ledger"},
            chunks=(Chunk((0, 11), new),),
            if_match=None,
            now=datetime.now(UTC),
        )
    keyword = KeywordQuery(rare=("zxqv",), common=(("word0", 300), ("word1", 250)), documents=400)
    for known in (False, True):
        scope = corpus.scope(archived=True, as_known=known)
        with corpus.database.transaction(corpus.tenant_id) as session:
            rows = find_candidates(session, scope, vector=old, keyword=keyword, per_channel=600).rows
        (row,) = (row for row in rows if row.memory_id == memory_id)
        assert row.vector == pytest.approx(float(new @ old), abs=2e-3)
        alone = KeywordQuery(rare=("zxqv",), common=(), documents=400)
        with corpus.database.transaction(corpus.tenant_id) as session:
            found = find_candidates(session, scope, vector=None, keyword=alone, per_channel=5).rows
        assert [r.keyword for r in found] == [pytest.approx(row.keyword)]


@pytest.mark.parametrize("archived", [False, True])
def test_words_of_later_do_not_count_as_of_then(
    database: Database, make_tenant: Any, encoder_id: int, archived: bool
) -> None:
    """With the archive earlier texts count, but none that nobody had written yet: a rare word was rare then."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=20)
    corpus.add(1, said=("heron",))
    then = datetime.now(UTC)
    for n in range(30):
        corpus.add(1, said=("heron", f"no{n}"))
    keyword = KeywordQuery(rare=("heron",), common=(), documents=100)
    scope = corpus.scope(at=then, as_known=True, archived=archived)
    with database.transaction(corpus.tenant_id) as session:
        found = find_candidates(session, scope, vector=None, keyword=keyword, per_channel=10)
    assert found.document_frequency == {"heron": 1}
    assert len(found.rows) == 1
