"""A process that serves has its modules and models visited by no collection; one that shares its process leaves it alone."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from memory_service.storage.bootstrap import RoleUrls

pytestmark = pytest.mark.timeout(120)

SERVING = """
import gc
from starlette.testclient import TestClient
from memory_service.api.app import create_app
with TestClient(create_app()):
    print(gc.get_freeze_count(), len(gc.get_objects()))
"""
FORKING = """
import gc
from celery.signals import worker_before_create_process
from consolidation.worker import app
app.loader.import_default_modules()
worker_before_create_process.send(sender=None)
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


@pytest.mark.parametrize("program", [SERVING, FORKING], ids=["api", "worker"])
def test_what_lives_as_long_as_the_process_is_not_visited(program: str, role_urls: RoleUrls, data_dir: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMORY_SERVICE_")}
    settings = {
        "MEMORY_SERVICE_DATA_DIR": str(data_dir),
        "MEMORY_SERVICE_MAINTENANCE_DATABASE_URL": role_urls.maintenance,
        "MEMORY_SERVICE_SERVICE_DATABASE_URL": role_urls.service,
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept | settings, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    spared, visited = map(int, done.stdout.split()[-2:])
    assert spared > 10 * visited


def test_an_application_in_the_process_of_somebody_else_spares_nothing(app: FastAPI, client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert gc.get_freeze_count() == 0
