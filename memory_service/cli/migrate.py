"""``memory-service migrate``: bring an external database up to this version."""

import typer
from pydantic import ValidationError

from memory_service.cli.failures import CommandFailure
from memory_service.errors import MemoryServiceError
from memory_service.settings import get_settings, unusable_settings


def migrate_database() -> None:
    """Run the migrations as the owner role; with an administrator's login, make roles and first key too.

    Raises:
        CommandFailure: no database was named, or it refused.
    """
    try:
        settings = get_settings()
        if settings.owner_database_url:
            from memory_service.storage.bootstrap import driver_url
            from memory_service.storage.migrate import migrate

            migrate(driver_url(settings.owner_database_url).render_as_string(hide_password=False))
        elif settings.database_url:
            from memory_service.storage.bootstrap import bootstrap
            from memory_service.storage.keys import ensure_first_key
            from memory_service.storage.migrate import migrate

            roles = bootstrap(settings.database_url, data_dir=settings.data_dir)
            migrate(roles.owner)
            key_file = ensure_first_key(roles.maintenance, settings.data_dir)
            typer.echo(f"the first key lies in {key_file}")
        else:
            raise CommandFailure(
                "no database named",
                hint="Set DATABASE_URL or MEMORY_SERVICE_OWNER_DATABASE_URL; "
                "the embedded database is migrated by `make run`.",
            )
    except MemoryServiceError as error:
        raise CommandFailure(error.detail) from error
    except ValidationError as error:
        raise CommandFailure("\n".join(unusable_settings(error))) from error
    typer.echo("the schema is up to date")
