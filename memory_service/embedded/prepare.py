"""What has to be true before the API starts, each in a process of its own.

The supervisor runs `python -m memory_service.embedded.prepare database|encoder`: the libraries these steps need would
otherwise stay in the supervisor's memory for as long as the service runs.
"""

import sys

from memory_service.embedded.endpoints import Endpoints, write_endpoints
from memory_service.errors import MemoryServiceError
from memory_service.settings import Settings, get_settings


def prepare_database(settings: Settings) -> None:
    """Create roles, extension, schema and the first key, and write the endpoints down.

    Raises:
        MemoryServiceError: the database is down, newer than this code, or its login may too little.
    """
    from memory_service.storage.bootstrap import bootstrap, role_urls
    from memory_service.storage.keys import ensure_first_key
    from memory_service.storage.migrate import migrate

    if settings.service_database_url:  # Roles made by hand: do only what we were given the login for.
        roles = role_urls(settings)
        if settings.owner_database_url:
            migrate(roles.owner)
        if settings.maintenance_database_url:
            ensure_first_key(roles.maintenance, settings.data_dir)
    else:
        roles = bootstrap(settings.database_url, data_dir=settings.data_dir)
        migrate(roles.owner)
        ensure_first_key(roles.maintenance, settings.data_dir)
    write_endpoints(
        settings.data_dir,
        Endpoints(owner=roles.owner, maintenance=roles.maintenance, service=roles.service, broker=settings.broker_url),
    )


def prepare_encoder(settings: Settings) -> None:
    """Download and export the model if that has not been done, printing each step."""
    from memory_service.encoder import ensure_exported

    ensure_exported(settings, lambda text: print(text, flush=True))


REFUSED = 3  # Exit status: the last line of the error stream is a sentence for the person.

STEPS = {"database": prepare_database, "encoder": prepare_encoder}


def main(arguments: list[str]) -> int:
    """Run one step; return the exit status."""
    try:
        STEPS[arguments[0]](get_settings())
    except MemoryServiceError as error:
        print(" ".join(error.detail.split()), file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
