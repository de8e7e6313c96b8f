"""Blobs in a store that speaks S3, through `obstore` (extra `s3`)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

from memory_service.blobs.protocol import CHUNK, BlobMissing, Opened, Stored
from memory_service.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Store

PART_BYTES: Final = 8 << 20
"""A larger file goes up in parts, of which S3 takes nothing below 5 MiB; it appears when the last has come."""
REMOVED_AT_ONCE: Final = 500
KNOWN: Final = frozenset({"endpoint", "region", "virtual_hosted"})


class S3Blobs:
    """Keeps blobs as objects of one bucket, below a prefix."""

    def __init__(self, url: str) -> None:
        """Prepare; connects at the first use. For the form of `url` see `open_bucket`."""
        self._store = open_bucket(url)

    def put(self, name: str, file: BinaryIO) -> None:
        """Keep a file: S3 shows an object when it is whole."""
        import obstore

        with _answering(name):
            obstore.put(self._store, name, file, chunk_size=PART_BYTES)

    @contextmanager
    def open(self, name: str) -> Iterator[Opened]:
        """Open a blob."""
        import obstore

        with _answering(name):
            found = obstore.get(self._store, name)
        yield Opened(found.meta["size"], _parts(name, found.stream(min_chunk_size=CHUNK)))

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs, some hundreds in one request."""
        import obstore

        left = iter(names)
        while batch := list(islice(left, REMOVED_AT_ONCE)):
            with _answering(batch[0], missing_is_fine=True):
                obstore.delete(self._store, batch)

    def listing(self) -> Iterator[Stored]:
        """Yield every object below the prefix."""
        import obstore

        with _answering(""):
            for page in obstore.list(self._store):
                for found in page:
                    yield Stored(found["path"], found["size"], found["last_modified"])


def _parts(name: str, stream: Iterable[object]) -> Iterator[bytes]:
    with _answering(name):
        for part in stream:
            yield bytes(part)  # type: ignore[call-overload]


@contextmanager
def _answering(name: str, *, missing_is_fine: bool = False) -> Iterator[None]:
    """Turn errors of the store into ours."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        if not missing_is_fine:
            raise BlobMissing(name) from None
    except (BaseError, OSError) as error:
        # What the store says may name buckets and keys; it goes to the log with the traceback, not to the caller.
        raise Unavailable("The store of KV memories does not answer; try again.") from error


def open_bucket(url: str) -> "S3Store":
    """Return the bucket of `s3://bucket/prefix?endpoint=https://…&region=…&virtual_hosted=true`.

    Keys come from the environment (AWS_ACCESS_KEY_ID and the like) or the machine's role, never from the URL.

    Raises:
        Misconfigured: the URL is of another form, or the extra is not installed.
    """
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise Misconfigured("MEMORY_SERVICE_KV_URL needs the extra `s3`: pip install 'memory-service[s3]'.") from error
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme != "s3" or not parts.hostname or parts.username or not options.keys() <= KNOWN:
        raise Misconfigured(
            "MEMORY_SERVICE_KV_URL is to be s3://bucket/prefix, with endpoint, region and virtual_hosted as parameters; keys "
            "stand in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    endpoint = options.get("endpoint", "")
    return S3Store(
        parts.hostname,
        prefix=parts.path.strip("/") or None,
        config={
            **({"endpoint": endpoint} if endpoint else {}),
            "region": options.get("region", "us-east-1"),
            "virtual_hosted_style_request": options.get("virtual_hosted", "") == "true",
        },
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": timedelta(minutes=5)},
    )
