"""The secret behind salts of tenants and grants for engines: the same in every process, and after a restart."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from memory_service.errors import Misconfigured
from memory_service.settings import Settings

SECRET_BYTES: Final = 32
FILE: Final = "salt-secret"


def salt_secret(settings: Settings) -> bytes:
    """Return the secret of the settings, else that of the data folder, which is drawn by whoever asks first.

    Under another secret every tenant has another salt, and nothing that engines kept is found again. Processes that share
    no data folder need the setting.

    Raises:
        Misconfigured: the file in the data folder cannot be written or read, or holds no secret.
    """
    said = settings.upstream_salt_secret.get_secret_value().encode()
    return said or _kept(settings.data_dir / FILE)


def _kept(file: Path) -> bytes:
    try:
        if not file.exists():
            _draw(file)
        found = file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"The secret of salts cannot be kept in {file} ({error.strerror}); make the folder writable, or set "
            "MEMORY_SERVICE_UPSTREAM_SALT_SECRET."
        ) from error
    if len(found) != SECRET_BYTES:
        raise Misconfigured(f"{file} holds no secret of {SECRET_BYTES} bytes; remove it, and a new one is drawn.")
    return found


def _draw(file: Path) -> None:
    """Write a secret that nobody else can read; of several that are drawn at once the first to be whole stays."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    drawn = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(drawn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(SECRET_BYTES))
            handle.flush()
            os.fsync(handle.fileno())
        with suppress(FileExistsError):  # Another process was first.
            os.link(drawn, file)
    finally:
        drawn.unlink()
