"""The Celery tasks in this process, over a database and a data folder of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from memory_service.settings import get_settings
from memory_service.storage.bootstrap import RoleUrls


@contextmanager
def worker_over(roles: RoleUrls, data_dir: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> Iterator[ModuleType]:
    """Open the package of the Celery tasks; `more` are settings by their names in the environment, less the prefix."""
    places = {
        "DATA_DIR": str(data_dir),
        "OWNER_DATABASE_URL": roles.owner,
        "MAINTENANCE_DATABASE_URL": roles.maintenance,
        "SERVICE_DATABASE_URL": roles.service,
    }
    for name, value in (places | more).items():
        monkeypatch.setenv(f"MEMORY_SERVICE_{name}", value)
    get_settings.cache_clear()
    from consolidation import worker  # the application reads the settings as it is imported
    from consolidation.worker import opened, signals

    opened.forget()
    try:
        yield worker
    finally:
        signals.end()
        opened.forget()
        get_settings.cache_clear()
