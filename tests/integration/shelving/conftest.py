"""A database of its own: its partitions would surprise the tests that read the catalogue."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from consolidation.shelving import move_to_own_shelf
from consolidation.tenancy import Tenancy
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, dedupe_hash, said_hash
from memory_service.lifecycle.remember import remember
from memory_service.storage.bootstrap import RoleUrls, bootstrap
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.storage.namespaces import Namespace, find_namespaces
from memory_service.types import Extract
from retrieval.statements import Candidates, KeywordQuery, Scope, find_candidates

DIMENSION, ENCODER = 64, 1
WORDS = [f"word{i}" for i in range(60)]


@pytest.fixture(scope="module")
def roles(make_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleUrls]:
    with make_database() as url:
        made = bootstrap(url, data_dir=tmp_path_factory.mktemp("shelves"))
        migrate(made.owner)
        engine = create_engine(made.maintenance, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO encoder (id, name, dimension, max_tokens, fingerprint, probe, shelf, is_default, created_at) "
                    f"VALUES ({ENCODER}, 'test', {DIMENSION}, 256, 'none', '{{}}', 0, true, now())"
                )
            )
        engine.dispose()
        yield made


@pytest.fixture(scope="module")
def service(roles: RoleUrls) -> Iterator[Database]:
    opened = Database(roles.service, pool_size=8)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def powerful(roles: RoleUrls) -> Iterator[Engine]:
    """Return an engine that sees every tenant."""
    engine = create_engine(roles.maintenance, poolclass=NullPool)
    yield engine
    engine.dispose()


class House:
    """One tenant with namespaces of random memories, and all that tests ask of them."""

    def __init__(self, database: Database, powerful: Engine, *, seed: int = 11) -> None:
        self.database, self.powerful = database, powerful
        self.tenant_id = new_id()
        self.rng = np.random.default_rng(seed)
        self.vectors: dict[UUID, np.ndarray] = {}
        with powerful.begin() as connection:
            connection.execute(
                text("INSERT INTO tenant (id, name, created_at) VALUES (:id, :name, now())"),
                {"id": self.tenant_id, "name": str(self.tenant_id)},
            )

    @property
    def tenancy(self) -> Tenancy:
        return Tenancy(
            self.tenant_id, lambda: self.database.transaction(self.tenant_id), clock=lambda: datetime.now(UTC)
        )

    def vector(self, rng: np.random.Generator | None = None) -> np.ndarray:
        drawn = (rng or self.rng).normal(size=DIMENSION).astype(np.float32)
        return drawn / np.linalg.norm(drawn)

    def add(
        self,
        size: int,
        *,
        namespace: str = "large",
        user: str = "u",
        rng: np.random.Generator | None = None,
        chunks: int = 1,
        near: np.ndarray | None = None,
        before_commit: Callable[[], None] = lambda: None,
    ) -> list[UUID]:
        rng = rng or self.rng
        now = datetime.now(UTC)
        prepared = []
        for _ in range(size):
            terms = tuple(rng.choice(WORDS, size=6).tolist())
            draft = Draft(
                f"{' '.join(terms)} {rng.integers(1 << 60)}", namespace=namespace, user_id=user, extract=Extract.NONE
            )
            parts = tuple(Chunk((i, i + 1), self.vector(rng) if near is None else near) for i in range(chunks))
            prepared.append(
                Prepared(
                    draft,
                    now,
                    content_hash(draft.content),
                    dedupe_hash(draft),
                    said_hash(draft.user_id, content_hash(draft.content)),
                    terms,
                    parts,
                )
            )
        encoding = Encoding(lambda texts: np.zeros((0, 0), np.float32), lambda text: [], ENCODER)
        with self.database.transaction(self.tenant_id) as session:
            outcomes = remember(session, self.tenant_id, prepared, encoding=encoding, now=now)
            before_commit()
        for outcome, item in zip(outcomes, prepared, strict=True):
            self.vectors[outcome.memory_id] = item.chunks[0].vector
        return [outcome.memory_id for outcome in outcomes]

    def namespace(self, path: str = "large") -> Namespace:
        with self.database.transaction(self.tenant_id) as session:
            return find_namespaces(session, self.tenant_id, [path])[path]

    def search(
        self,
        query: np.ndarray | None,
        *,
        paths: Sequence[str] = ("large",),
        k: int = 10,
        keyword: KeywordQuery | None = None,
        **scope: Any,
    ) -> Candidates:
        spaces = [self.namespace(path) for path in paths]
        asked = Scope(
            tenant_id=self.tenant_id,
            namespace_ids=tuple(n.id for n in spaces),
            shelf=spaces[0].shelf,
            shelves=tuple(n.shelf for n in spaces),
            encoder_id=ENCODER,
            **{"at": datetime.now(UTC), **scope},
        )
        with self.database.transaction(self.tenant_id) as session:
            return find_candidates(session, asked, vector=query, keyword=keyword, per_channel=k)

    def nearest(self, query: np.ndarray, *, k: int = 10, among: Sequence[UUID] | None = None) -> list[UUID]:
        ids = list(self.vectors) if among is None else list(among)
        return sorted(ids, key=lambda i: -float(self.vectors[i] @ query))[:k]

    def move(self, path: str = "large", **options: Any) -> bool:
        return move_to_own_shelf(
            self.tenancy, self.namespace(path).id, **{"grace": timedelta(0), "settled_from": 1, **options}
        )

    def shelves_of(self, ids: Sequence[UUID]) -> dict[UUID, list[int]]:
        """Return on which shelves the live vectors of memories lie."""
        with self.powerful.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT memory_id, array_agg(shelf ORDER BY shelf) FROM embedding WHERE tenant_id = :t "
                    "AND memory_id = ANY(:ids) AND known_to > now() GROUP BY 1"
                ),
                {"t": self.tenant_id, "ids": list(ids)},
            )
            return {row[0]: row[1] for row in rows}

    def run(self, statement: str, **params: Any) -> None:
        with self.powerful.begin() as connection:
            connection.execute(text(statement), {"t": self.tenant_id, **params})

    def all(self, statement: str, **params: Any) -> list[Any]:
        with self.powerful.connect() as connection:
            return list(connection.execute(text(statement), {"t": self.tenant_id, **params}).all())


@pytest.fixture
def make_house(service: Database, powerful: Engine) -> Callable[..., House]:
    return lambda **options: House(service, powerful, **options)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()
