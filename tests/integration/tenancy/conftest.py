"""Two tenants with something in every table, and a way to see whether a single row of one of them has changed."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from consolidation.tenancy import Tenancy
from memory_service.api.services import utc_now
from memory_service.storage.database import Database
from tests.integration.tenancy.asks import catalogue
from tests.integration.tenancy.asks.ask import Asks
from tests.integration.tenancy.checksums import Checksum, find_tenant_tables, sum_up
from tests.integration.tenancy.founding import Ground, found
from tests.integration.tenancy.household import Household


@pytest.fixture(scope="session")
def tenant_tables(maintenance: Engine) -> dict[str, str]:
    """Return every table that holds rows of tenants, with the column that names the tenant; read from the database."""
    return find_tenant_tables(maintenance)


@pytest.fixture(scope="session")
def checksum(maintenance: Engine, tenant_tables: dict[str, str]) -> Checksum:
    """Return a function that counts and sums up every row of one tenant."""
    return partial(sum_up, maintenance, tenant_tables)


@pytest.fixture(scope="session")
def open_tenancy(database: Database) -> Callable[[UUID], Tenancy]:
    """Return a function that opens a tenant the way workers do."""
    return lambda tenant_id: Tenancy(tenant_id, lambda: database.transaction(tenant_id), utc_now)


@pytest.fixture(scope="session")
def make_household(
    client: TestClient,
    database: Database,
    make_tenant: Any,
    maintenance: Engine,
    open_tenancy: Callable[[UUID], Tenancy],
    tenant_client: Any,
) -> Callable[..., Household]:
    """Return a function that makes a tenant with at least one row in every table, through the API and the workers."""
    return partial(found, Ground(client, database, maintenance, make_tenant, tenant_client, open_tenancy))


@pytest.fixture(scope="session")
def ours(make_household: Callable[..., Household]) -> Household:
    """Return the tenant whose key the attacks use."""
    return make_household("ours")


@pytest.fixture(scope="session")
def theirs(make_household: Callable[..., Household], checksum: Checksum, tenant_tables: dict[str, str]) -> Household:
    """Return the tenant that must neither be seen nor touched; it has rows in every table."""
    made = make_household("theirs")
    empty = [table for table, (rows, _) in checksum(made.tenant_id).items() if not rows]
    assert not empty, f"no rows to protect in {empty}: let founding.py fill them"
    return made


@pytest.fixture
def untouched(theirs: Household, checksum: Checksum) -> Any:
    """Check around a test that no row of the other tenant was written."""
    before = checksum(theirs.tenant_id)
    yield theirs
    after = checksum(theirs.tenant_id)
    changed = [table for table in before if before[table] != after[table]]
    assert not changed, f"rows of another tenant were written in {changed}"


@pytest.fixture(scope="session")
def asks_about() -> Callable[[Household, Household], Asks]:
    """Return a function: (about whom, who asks) -> the requests of every operation, by "METHOD /path/{template}"."""
    return catalogue.asks_about
