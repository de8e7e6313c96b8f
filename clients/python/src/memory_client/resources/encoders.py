"""Encoders, and namespaces that change theirs without a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.models import Encoder, Reindex, ReindexStarted, Turned
    from memory_client.operation import Reading, Writing


class Encoders(Resource[E]):
    """Calls about encoders; reading needs the scope ``admin``, all else ``operator``.

    Calls on namespaces take the path of one, or ``all=True``.
    """

    @listing("GET", "/v1/encoders")
    def list(self, *, limit: int | None = None, cursor: str | None = None, **options: Unpack[Reading]) -> Ask[Encoder]:
        """List encoders, oldest first."""
        return Ask(models.Encoder, query={"limit": limit, "cursor": cursor})

    @call("POST", "/v1/encoders")
    def register(self, name: str, **options: Unpack[Writing]) -> Ask[Encoder]:
        """Register a model by its folder or name; give it time: it may have to be exported first."""
        return Ask(models.Encoder, body={"name": name})

    @call("GET", "/v1/encoders/{encoder_id}")
    def get(self, encoder_id: int, **options: Unpack[Reading]) -> Ask[Encoder]:
        """Return one encoder."""
        return Ask(models.Encoder, str(encoder_id))

    @call("POST", "/v1/encoders/{encoder_id}/default")
    def make_default(self, encoder_id: int, **options: Unpack[Writing]) -> Ask[Encoder]:
        """Let new namespaces of every tenant begin with an encoder."""
        return Ask(models.Encoder, str(encoder_id))

    @call("POST", "/v1/encoders/{encoder_id}/reindex")
    def reindex(
        self, encoder_id: int, namespace: str | None = None, *, all: bool = False, **options: Unpack[Writing]
    ) -> Ask[ReindexStarted[E]]:
        """Write new texts under an encoder, too, and fill the old ones as a job; asked again, it goes on.

        Raises:
            Conflict: the namespace has this encoder, is changing to another, or is moving.
        """
        return Ask(models.ReindexStarted, str(encoder_id), body=_which(namespace, all))

    @listing("GET", "/v1/encoders/{encoder_id}/reindex")
    def reindexes(
        self,
        encoder_id: int,
        *,
        namespace: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Reindex]:
        """List the namespaces that change, or changed, to an encoder."""
        query = {"namespace": namespace, "limit": limit, "cursor": cursor}
        return Ask(models.Reindex, str(encoder_id), query=query)

    @call("POST", "/v1/encoders/{encoder_id}/reindex/cut-over")
    def cut_over(
        self,
        encoder_id: int,
        namespace: str | None = None,
        *,
        all: bool = False,
        force: bool = False,
        least_overlap: float | None = None,
        most_recall_lost: float | None = None,
        **options: Unpack[Writing],
    ) -> Ask[Turned]:
        """Let searches use the new encoder.

        Raises:
            Conflict: texts lack vectors under it, or the comparison speaks against it and ``force`` does not say so.
        """
        bounds = stated({"force": force or None, "least_overlap": least_overlap, "most_recall_lost": most_recall_lost})
        return Ask(models.Turned, str(encoder_id), body={**_which(namespace, all), **bounds})

    @call("POST", "/v1/encoders/{encoder_id}/reindex/roll-back")
    def roll_back(
        self, encoder_id: int, namespace: str | None = None, *, all: bool = False, **options: Unpack[Writing]
    ) -> Ask[Turned]:
        """Let searches use the old encoder again.

        Raises:
            Conflict: the namespace has not been cut over.
        """
        return Ask(models.Turned, str(encoder_id), body=_which(namespace, all))

    @call("POST", "/v1/encoders/{encoder_id}/reindex/finish")
    def finish(
        self, encoder_id: int, namespace: str | None = None, *, all: bool = False, **options: Unpack[Writing]
    ) -> Ask[Turned]:
        """Keep the encoder that searches use now and drop the vectors of the other; there is no way back.

        Raises:
            Conflict: they are being dropped already.
        """
        return Ask(models.Turned, str(encoder_id), body=_which(namespace, all))


def _which(namespace: str | None, all_of_them: bool) -> dict[str, object]:
    return stated({"namespace": namespace, "all": all_of_them or None})
