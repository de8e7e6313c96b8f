"""A database of the first release, whose terms were all cut by English rules, under the code of today."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from consolidation import recut
from consolidation.tenancy import Tenancy
from memory_service.analysis.memory_terms import memory_terms
from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.storage.bootstrap import RoleUrls, bootstrap
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import _config, migrate
from memory_service.storage.namespaces import ensure_namespaces
from retrieval.bm25 import impacts
from retrieval.corpus import describe_corpus

SEEN = datetime(2024, 5, 8, 12, tzinfo=UTC)
STORED, CHANGED = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
TENANT, SPACE = new_id(), new_id()

GERMAN = "Ich habe gestern zwei Häuser am See gesehen."
ENGLISH = "I have seen two houses at the lake yesterday."
CHINESE = "我在5月8日买了两本书。"
BEFORE, AFTER = "Ich wohne in den Bergen mit meinen Katzen.", "Ich wohne jetzt in den Städten ohne Katzen."


def as_before(content: str) -> list[str]:
    """Cut a text as the first release did: by English rules, whatever its language."""
    return list(memory_terms(content, language="en", speaker="Ana", observed_at=SEEN, title=None, context=None))


def as_today(content: str, language: str) -> list[str]:
    return list(memory_terms(content, language=language, speaker="Ana", observed_at=SEEN, title=None, context=None))


class Old:
    """Writes rows as the first release did."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._run("INSERT INTO tenant VALUES (:tenant, 'old', :stored)")
        self._run(
            "INSERT INTO encoder VALUES (1, 'old vectors', 3, 256, 'none', '{}', 0, false, :stored)",
        )
        self._run(
            "INSERT INTO namespace (tenant_id, id, path, encoder_id, shelf, created_at) "
            "VALUES (:tenant, :space, 'old', 1, 0, :stored)"
        )

    def remember(self, content: str, *, language: str | None = None, archived: bool = False) -> UUID:
        memory_id = new_id()
        end = CHANGED if archived else None
        self._memory("memory", memory_id, 1, content, language=language, archived=end)
        self._found_by(memory_id, 1, content, until=end)
        return memory_id

    def remember_corrected(self, before: str, after: str) -> UUID:
        memory_id = new_id()
        self._memory("memory", memory_id, 2, after)
        self._memory("memory_version", memory_id, 1, before)
        self._found_by(memory_id, 1, before, until=CHANGED)
        self._found_by(memory_id, 2, after, since=CHANGED)
        return memory_id

    def _memory(
        self,
        table: str,
        memory_id: UUID,
        version: int,
        content: str,
        *,
        language: str | None = None,
        archived: Any = None,
    ) -> None:
        columns = {
            "tenant_id": TENANT, "id": memory_id, "namespace_id": SPACE, "payload_type": "plaintext",
            "memory_type": "episodic", "state": "archived" if archived else "activated", "version": version,
            "content": content, "keywords": [], "tags": [], "entities": [], "importance": 0.5, "confidence": 1.0,
            "pinned": False, "language": language, "speaker": "Ana", "observed_at": SEEN, "created_at": STORED,
            "updated_at": STORED, "content_version": version, "derivation_method": "verbatim",
        }  # fmt: skip
        if table == "memory":
            columns |= {"content_hash": b"-", "extract": "none", "terms": as_before(content), "archived_at": archived}
        else:
            columns |= {"known_to": CHANGED}
        names = ", ".join(columns)
        values = ", ".join(f":{name}" for name in columns)
        self.connection.execute(
            text(f"INSERT INTO {table} ({names}, metadata, derivation_parents) VALUES ({values}, '{{}}', '{{}}')"),
            columns,
        )

    def _found_by(
        self, memory_id: UUID, version: int, content: str, *, since: datetime = STORED, until: datetime | None = None
    ) -> None:
        span = {"id": memory_id, "version": version, "since": since, "until": until}
        self._run(
            "INSERT INTO embedding VALUES (:tenant, 0, :space, 1, :id, :version, 0, 0, 9, :since, "
            "coalesce(CAST(:until AS timestamptz), 'infinity'), '[1,0,0]')",
            **span,
        )
        for term, impact in impacts(as_before(content)).items():
            self._run(
                "INSERT INTO posting VALUES (:tenant, :space, :term, :id, :version, :impact, :since, "
                "coalesce(CAST(:until AS timestamptz), 'infinity'))",
                **span, term=term, impact=impact,
            )  # fmt: skip

    def _run(self, statement: str, **parameters: Any) -> None:
        self.connection.execute(text(statement), {"tenant": TENANT, "space": SPACE, "stored": STORED, **parameters})


@pytest.fixture(scope="module")
def roles(make_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleUrls]:
    with make_database() as url:
        yield bootstrap(url, data_dir=Path(tmp_path_factory.mktemp("old")))


@pytest.fixture(scope="module")
def maintenance(roles: RoleUrls) -> Iterator[Engine]:
    engine = create_engine(roles.maintenance, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def stored(roles: RoleUrls, maintenance: Engine) -> dict[str, UUID]:
    """Fill a database of the first release, then migrate it to today's."""
    owner = create_engine(roles.owner, poolclass=NullPool)
    with owner.begin() as connection:
        command.upgrade(_config(connection), "0001")
    owner.dispose()
    with maintenance.begin() as connection:
        old = Old(connection)
        made = {
            "german": old.remember(GERMAN),
            "english": old.remember(ENGLISH),
            "chinese": old.remember(CHINESE),
            "stated": old.remember("Zwei Hunde", language="de-AT"),
            "archived": old.remember("Wir haben die Blumen am Morgen gegossen.", archived=True),
            "corrected": old.remember_corrected(BEFORE, AFTER),
            "renamed": old.remember_corrected("Das ist mein Hund.", "Das sind meine Hunde."),
        }
    migrate(roles.owner)
    return made


@pytest.fixture(scope="module")
def database(roles: RoleUrls) -> Iterator[Database]:
    opened = Database(roles.service, pool_size=2)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def tenancy(database: Database, stored: dict[str, UUID]) -> Tenancy:
    return Tenancy(TENANT, lambda: database.transaction(TENANT), lambda: datetime.now(UTC))


def postings(maintenance: Engine, memory_id: UUID, version: int) -> dict[str, tuple[float, Any, Any]]:
    with maintenance.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT term, impact, known_from, nullif(known_to, 'infinity') FROM posting "
                "WHERE memory_id = :id AND version = :version"
            ),
            {"id": memory_id, "version": version},
        )
        return {row[0]: (pytest.approx(row[1], rel=1e-6), row[2], row[3]) for row in rows}


def wanted(terms: list[str], *, since: datetime = STORED, until: datetime | None = None) -> dict[str, Any]:
    return {term: (impact, since, until) for term, impact in impacts(terms).items()}


def state(maintenance: Engine) -> Any:
    with maintenance.connect() as connection:
        return connection.execute(
            text("SELECT languages, terms_version, terms_rebuilt_to FROM namespace WHERE id = :id"), {"id": SPACE}
        ).one()


def outdated(database: Database) -> list[Any]:
    with database.untenanted() as connection:
        return [
            tuple(row) for row in connection.execute(text("SELECT * FROM outdated_terms(:v, 10)"), {"v": TERMS_VERSION})
        ]


def test_until_it_is_cut_anew_queries_are_cut_by_the_rules_of_before(
    database: Database, maintenance: Engine, stored: dict[str, UUID]
) -> None:
    assert tuple(state(maintenance)) == ([], 1, None)
    assert outdated(database) == [(TENANT, SPACE)]
    with database.transaction(TENANT) as session:
        assert describe_corpus(session, TENANT, ["old"], "Häuser").languages == ("und",)


def test_all_of_it_is_cut_anew_whenever_the_worker_is_killed(
    database: Database, maintenance: Engine, tenancy: Tenancy, stored: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recut, "BATCH", 2)
    monkeypatch.setattr(recut, "EARLIER_BATCH", 1)
    assert not recut.recut_namespace(tenancy, SPACE, go_on=lambda: False)
    first = state(maintenance)
    assert (first.terms_version, first.terms_rebuilt_to) == (1, sorted(stored.values())[1])
    with database.transaction(TENANT) as session:
        assert describe_corpus(session, TENANT, ["old"], "Häuser").languages == ("de", "en", "und")
    calls = 1
    while not recut.recut_namespace(tenancy, SPACE, go_on=lambda: False):
        calls += 1
    assert calls == 6, "four batches of present texts, two of earlier ones"
    assert tuple(state(maintenance)) == (["de", "en", "zh"], TERMS_VERSION, None)
    assert outdated(database) == []
    for name, content, language in (("german", GERMAN, "de"), ("english", ENGLISH, "en"), ("chinese", CHINESE, "zh")):
        assert postings(maintenance, stored[name], 1) == wanted(as_today(content, language)), name
    assert {"haus", "see", "mai"} <= postings(maintenance, stored["german"], 1).keys()
    assert "hauser" not in postings(maintenance, stored["german"], 1)
    assert "hund" in postings(maintenance, stored["stated"], 1)
    # What was found until February is found until February.
    archived = postings(maintenance, stored["archived"], 1)
    assert "blum" in archived
    assert {span[1:] for span in archived.values()} == {(STORED, CHANGED)}
    assert postings(maintenance, stored["corrected"], 2) == wanted(as_today(AFTER, "de"), since=CHANGED)
    assert postings(maintenance, stored["corrected"], 1) == wanted(as_today(BEFORE, "de"), until=CHANGED)
    with maintenance.connect() as connection:
        kept = connection.scalar(text("SELECT terms FROM memory WHERE id = :id"), {"id": stored["german"]})
    assert kept == as_today(GERMAN, "de"), "what closes postings later must name the same terms"


def test_a_second_time_changes_nothing(maintenance: Engine, tenancy: Tenancy, stored: dict[str, UUID]) -> None:
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE namespace SET terms_version = 1 WHERE id = :id"), {"id": SPACE})
        before = connection.execute(text("SELECT id, terms, written FROM memory ORDER BY id")).all()
    assert recut.recut_namespace(tenancy, SPACE)
    with maintenance.connect() as connection:
        assert connection.execute(text("SELECT id, terms, written FROM memory ORDER BY id")).all() == before
    assert postings(maintenance, stored["corrected"], 1) == wanted(as_today(BEFORE, "de"), until=CHANGED)
    assert recut.recut_namespace(tenancy, SPACE), "what is done stays done"


def test_a_new_namespace_is_of_today(database: Database, stored: dict[str, UUID]) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    with database.transaction(TENANT) as session:
        ensure_namespaces(session, TENANT, ["new"], now=now)
    assert outdated(database) == []
