from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from memory_service.api.app import create_app
from memory_service.encoder import EncoderIdentity, EncoderMismatch, verify_identity
from memory_service.errors import Misconfigured
from memory_service.settings import Settings
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.encoders import default_encoder, register_encoder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def started(app: FastAPI, client: TestClient) -> FastAPI:
    """The application has registered its encoder."""
    return app


@pytest.fixture
def damaged(started: FastAPI, maintenance: Engine) -> Iterator[Engine]:
    """Let a test change the stored encoder; afterwards it is as before."""
    with maintenance.connect() as connection:
        before = connection.execute(text("SELECT fingerprint, probe FROM encoder WHERE is_default")).one()
    yield maintenance
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE encoder SET fingerprint = :f, probe = CAST(:p AS float4[]) WHERE is_default"),
            {"f": before.fingerprint, "p": before.probe},
        )


def test_the_first_encoder_becomes_the_default_and_stays_it(
    started: FastAPI, database: Database, role_urls: RoleUrls
) -> None:
    with database.untenanted() as connection:
        stored = default_encoder(connection)
    assert stored is not None
    assert (stored.dimension, stored.shelf) == (384, 0)
    present = started.state.services.encoder.identity
    assert np.allclose(stored.probe, present.probe, atol=1e-6)
    again = register_encoder(
        role_urls.maintenance,
        identity=EncoderIdentity("other", 3, 8, "x", np.zeros(3, np.float32)),
        now=NOW,
    )
    assert again.fingerprint == stored.fingerprint
    verify_identity(EncoderIdentity(again.name, again.dimension, 256, again.fingerprint, again.probe), present)
    with pytest.raises(EncoderMismatch):
        verify_identity(EncoderIdentity(again.name, again.dimension, 256, "x" * 64, again.probe), present)


@pytest.mark.parametrize("change", ["fingerprint = 'abc'", "probe = (SELECT array_agg(-p) FROM unnest(probe) p)"])
def test_another_encoder_refuses_to_start(damaged: Engine, settings: Settings, change: str) -> None:
    with damaged.begin() as connection:
        connection.execute(text(f"UPDATE encoder SET {change} WHERE is_default"))
    with pytest.raises(EncoderMismatch, match="MEMORY_SERVICE_ENCODER"), TestClient(create_app(settings)):
        pass


def test_a_role_that_sees_everything_refuses_to_start(
    settings: Settings, role_urls: RoleUrls, started: FastAPI
) -> None:
    careless = settings.model_copy(update={"service_database_url": role_urls.maintenance})
    with pytest.raises(Misconfigured, match="row level security"), TestClient(create_app(careless)):
        pass
