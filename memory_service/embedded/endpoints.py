"""Where the running parts are, written down for the processes that have to find them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from memory_service.embedded.cluster import write_secret


@dataclass(frozen=True, slots=True)
class Endpoints:
    """SQLAlchemy URLs of the three database roles, and the broker's URL. They contain passwords."""

    owner: str
    maintenance: str
    service: str
    broker: str

    def environment(self) -> Mapping[str, str]:
        """Return the environment of API and worker: what they need, so not the owner."""
        return {
            "MEMORY_SERVICE_SERVICE_DATABASE_URL": self.service,
            "MEMORY_SERVICE_MAINTENANCE_DATABASE_URL": self.maintenance,
            "BROKER_URL": self.broker,
        }


def endpoints_file(data_dir: Path) -> Path:
    """Return the file that holds them while the service runs, mode 0600."""
    return data_dir / "run" / "endpoints.json"


def write_endpoints(data_dir: Path, endpoints: Endpoints) -> None:
    """Write them down."""
    write_secret(endpoints_file(data_dir), json.dumps(asdict(endpoints)))


def read_endpoints(data_dir: Path) -> Endpoints:
    """Read them.

    Raises:
        FileNotFoundError: the service of this folder does not run.
    """
    return Endpoints(**json.loads(endpoints_file(data_dir).read_text(encoding="utf-8")))
