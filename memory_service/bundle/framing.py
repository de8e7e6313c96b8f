"""The frame of a bundle: its first line says what it is, its last one whether it is whole."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_service.errors import FieldError, InvalidRequest, MemoryServiceError
from memory_service.json_values import parse_json

FORMAT = "memory-service-bundle"
VERSION = 1
MEDIA_TYPE = "application/x-ndjson"
MAX_LINE = 32 * 2**20  # bytes; the text of the longest document is half of that

Count = Annotated[int, Field(strict=True, ge=0)]


class EncoderRecord(BaseModel):
    """The model that made the vectors of a bundle."""

    model_config = ConfigDict(extra="ignore")

    name: str
    dimension: Count
    fingerprint: str


class Header(BaseModel):
    """The first line. What a later release adds to it does not matter to this one, as long as the version is ours."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["bundle"]
    format: Literal["memory-service-bundle"]
    version: Annotated[int, Field(strict=True, ge=1)]
    encoder: EncoderRecord | None = None


class End(BaseModel):
    """The last line: how many records stand before it, and the SHA-256 of every byte before it."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["end"]
    records: Count
    counts: dict[str, Count]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def line(record: Mapping[str, Any]) -> bytes:
    r"""Render one line.

    >>> line({"type": "namespace", "path": "default"})
    b'{"type":"namespace","path":"default"}\n'
    """
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


@dataclass(slots=True)
class Frame:
    """What has gone by so far: counts and checksum, for the line that ends a bundle."""

    counts: Counter[str] = field(default_factory=Counter)
    digest: Any = field(default_factory=hashlib.sha256)

    def header(self, header: Mapping[str, Any]) -> bytes:
        """Return the first line."""
        whole = line({"type": "bundle", "format": FORMAT, "version": VERSION, **header})
        self.digest.update(whole)
        return whole

    def record(self, record: Mapping[str, Any]) -> bytes:
        """Return the line of a record."""
        whole = line(record)
        self.counts[record["type"]] += 1
        self.digest.update(whole)
        return whole

    def end(self) -> bytes:
        """Return the last line."""
        counts = dict(sorted(self.counts.items()))
        return line(
            {"type": "end", "records": self.counts.total(), "counts": counts, "sha256": self.digest.hexdigest()}
        )


def read_header(raw: bytes) -> Header:
    """Return the header of a bundle.

    Raises:
        InvalidRequest: this is no bundle (`invalid_bundle`), or one of a later format (`unsupported_bundle_version`).
    """
    try:
        header = Header.model_validate(parse_json(raw))
    except (ValidationError, MemoryServiceError) as error:
        raise invalid_bundle(
            'A bundle begins with a line such as {"type": "bundle", "format": "memory-service-bundle", "version": 1, …}.'
        ) from error
    if header.version > VERSION:
        detail = f"This bundle has format {header.version}; this release reads up to {VERSION}. Upgrade it first."
        raise InvalidRequest(
            detail, errors=(FieldError("line 1: /version", detail),), code="unsupported_bundle_version"
        )
    return header


def read_end(raw: bytes, *, records: int, sha256: str) -> None:
    """Check the last line against what stands before it.

    Raises:
        InvalidRequest: it is no end, or counts or sums up something else; code `incomplete_bundle`.
    """
    try:
        end = End.model_validate(parse_json(raw))
    except (ValidationError, MemoryServiceError) as error:
        raise _incomplete("The bundle has no end: it was cut off. Export it again; nothing was imported.") from error
    if end.records != records or sum(end.counts.values()) != records:
        raise _incomplete(
            f"The bundle holds {records:,} records, and its end counts {end.records:,}; nothing was imported."
        )
    if end.sha256 != sha256:
        raise _incomplete("The bundle is not the one its end sums up: it was changed or damaged; nothing was imported.")


def invalid_bundle(detail: str) -> InvalidRequest:
    """Return the error for what is no bundle."""
    return InvalidRequest(detail, errors=(FieldError("line 1", detail),), code="invalid_bundle")


def _incomplete(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=(FieldError("last line", detail),), code="incomplete_bundle")
