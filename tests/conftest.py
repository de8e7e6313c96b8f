"""A real Postgres, migrated, and the real application over it; made once per run and only when a test asks."""

import os
import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from memory_service.chat_model.salt_secret import salt_secret
from memory_service.settings import Settings
from memory_service.storage import keys
from memory_service.storage.bootstrap import RoleUrls, bootstrap, driver_url
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.storage.tables import tenant
from memory_service.types import KeyScope

# What stands beside tests for several of them says what was wrong as the tests themselves do.
pytest.register_assert_rewrite("tests.integration", "tests.acceptance")

INSIDE_A_TENANT = tuple(scope for scope in KeyScope if scope is not KeyScope.OPERATOR)

# What a property holds for says nothing of how long a busy machine takes to show it.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

MakeTenant = Callable[..., tuple[UUID, str]]
MakeDatabase = Callable[[], AbstractContextManager[str]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers that tests took down with `record_property`, held or not."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    said = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    if said:
        terminalreporter.section("numbers")
        for name, value in said:
            terminalreporter.line(f"{name}: {value}")


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of this run; the exported model is kept between runs, since making it takes long."""
    folder = tmp_path_factory.mktemp("data") / "var"
    folder.mkdir(mode=0o700)
    cache = getattr(request.config, "cache", None)  # absent under -p no:cacheprovider
    if cache is not None:
        (folder / "models").symlink_to(cache.mkdir("models"))
    return folder


@pytest.fixture(scope="session")
def admin_url(data_dir: Path) -> Iterator[str]:
    """Return a superuser's URL: of TEST_DATABASE_URL, else of an embedded server that lives as long as the run."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    from memory_service.embedded.postgres import EmbeddedPostgres

    with EmbeddedPostgres(data_dir) as postgres:
        yield postgres.url


@pytest.fixture(scope="session")
def make_database(admin_url: str) -> MakeDatabase:
    """Return a function that opens an empty database, as its superuser's URL, and drops it with its roles at the end."""

    @contextmanager
    def make() -> Iterator[str]:
        name = f"memory_test_{secrets.token_hex(4)}"
        server = create_engine(driver_url(admin_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield driver_url(admin_url).set(database=name).render_as_string(hide_password=False)
        finally:
            with server.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
                for role in ("service", "owner", "maintenance"):
                    connection.exec_driver_sql(f"DROP ROLE IF EXISTS {name}_{role}")
            server.dispose()

    return make


@pytest.fixture(scope="session")
def role_urls(make_database: MakeDatabase, data_dir: Path) -> Iterator[RoleUrls]:
    """Return the three roles of a fresh, migrated database."""
    with make_database() as url:
        roles = bootstrap(url, data_dir=data_dir)
        migrate(roles.owner)
        yield roles


@pytest.fixture(scope="session")
def database(role_urls: RoleUrls, data_dir: Path) -> Iterator[Database]:
    """Return the database as the service sees it; pseudonyms are those of the application under test."""
    secret = partial(salt_secret, Settings(data_dir=data_dir))
    opened = Database(role_urls.service, pool_size=5, application_name="tests", secret=secret)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def maintenance(role_urls: RoleUrls) -> Iterator[Engine]:
    """Return an engine that sees every tenant."""
    engine = create_engine(role_urls.maintenance, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def make_tenant(maintenance: Engine) -> MakeTenant:
    """Return a function that makes a tenant and a key: ``make_tenant() -> (tenant_id, api_key)``."""

    def make(*, scopes: tuple[KeyScope, ...] = INSIDE_A_TENANT, expires_at: datetime | None = None) -> tuple[UUID, str]:
        tenant_id, now = new_id(), datetime.now(UTC)
        with maintenance.begin() as connection:
            connection.execute(insert(tenant).values(id=tenant_id, name=f"tenant {tenant_id}", created_at=now))
            _, secret = keys.create_key(
                connection, tenant_id, name="test", scopes=[s.value for s in scopes], expires_at=expires_at, now=now
            )
        return tenant_id, secret

    return make


@pytest.fixture(scope="session")
def settings(role_urls: RoleUrls, data_dir: Path) -> Settings:
    """Return the settings of the application under test: no broker, so that nothing runs behind a test's back."""
    return Settings(
        data_dir=data_dir,
        owner_database_url=role_urls.owner,
        maintenance_database_url=role_urls.maintenance,
        service_database_url=role_urls.service,
        log_level="error",
        webhook_networks="127.0.0.0/8",  # where the receivers of tests listen
        **{"DATABASE_URL": "", "BROKER_URL": "", "LLM_BASE_URL": ""},
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    """Return the application, not started."""
    from memory_service.api.app import create_app

    return create_app(settings)


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[TestClient]:
    """Return a client of the running application; it sends no key of its own."""
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as running:
        yield running


class TenantClient:
    """The client with the key of one tenant."""

    __test__ = False

    def __init__(self, client: TestClient, tenant_id: UUID, key: str) -> None:
        self._client = client
        self.tenant_id = tenant_id
        self.key = key

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", **(options.pop("headers", None) or {})}
        return self._client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Any:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Any:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.request("DELETE", path, **options)


@pytest.fixture
def as_tenant(client: TestClient) -> Callable[[tuple[UUID, str]], TenantClient]:
    """Return a function that gives a client to what ``make_tenant`` made."""
    return lambda made: TenantClient(client, *made)


@pytest.fixture
def me(as_tenant: Callable[[tuple[UUID, str]], TenantClient], make_tenant: MakeTenant) -> TenantClient:
    """Return the client of a fresh tenant with every right inside it."""
    return as_tenant(make_tenant())


@pytest.fixture(scope="session")
def tenant_client() -> type[TenantClient]:
    """Return the class of a client with the key of one tenant, for fixtures that outlive one test."""
    return TenantClient


@pytest.fixture(scope="session")
def encoder_id(client: TestClient, role_urls: RoleUrls) -> int:
    """Return an encoder of 384 dimensions for tests that bring their own vectors, beside the default one of the application."""
    with create_engine(role_urls.maintenance, poolclass=NullPool).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO encoder (id, name, dimension, max_tokens, fingerprint, probe, shelf, is_default, created_at) "
                "VALUES (999, 'test vectors', 384, 256, 'none', '{}', 0, false, now()) ON CONFLICT DO NOTHING"
            )
        )
    return 999


WORDS = (
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "ran",
    "to",
    "house",
    "big",
    "red",
    "happy",
    "sad",
    ".",
    "?",
    "!",
)


@pytest.fixture(scope="session")
def save_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a random sentence-transformers model of two layers, with the modules a test asks for."""

    def save(
        name: str, *, pooling: str = "mean", dense: bool = False, normalize: bool = True, width: int = 32, seed: int = 7
    ) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch
            from sentence_transformers import SentenceTransformer
            from sentence_transformers import models as modules
            from transformers import BertConfig, BertModel, BertTokenizerFast

            torch.manual_seed(seed)
            root = tmp_path_factory.mktemp(name)
            base, target = root / "base", root / name
            base.mkdir()
            vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
            (base / "vocab.txt").write_text("\n".join(vocabulary))
            BertTokenizerFast(vocab={w: i for i, w in enumerate(vocabulary)}).save_pretrained(base)
            config = BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=width,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=64,
                max_position_embeddings=64,
                initializer_range=0.3,
            )
            BertModel(config).save_pretrained(base)
            transformer = modules.Transformer(str(base), max_seq_length=48)
            parts: list[Any] = [transformer, modules.Pooling(width, pooling_mode=pooling)]
            parts += [modules.Dense(in_features=width, out_features=12)] if dense else []
            parts += [modules.Normalize()] if normalize else []
            SentenceTransformer(modules=parts, device="cpu").save(str(target))
        return target

    return save
