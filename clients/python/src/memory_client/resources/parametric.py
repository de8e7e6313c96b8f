"""Memory in weights: cubes are registered, taught, asked, merged and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.group_fields import CubeFields, CubePair, InNamespace
    from memory_client.models import Cube, CubeAnswer, CubeDetail, Started
    from memory_client.operation import Reading, Writing


class Parametric(Resource[E]):
    """Calls about cubes."""

    @call("POST", "/v1/parametric")
    def create(self, name: str, **fields: Unpack[CubeFields]) -> Ask[CubeDetail]:
        """Register a cube that knows nothing yet.

        Raises:
            Conflict: the name is taken in its namespace.
        """
        return Ask(models.CubeDetail, body=stated({"name": name, **fields}))

    @listing("GET", "/v1/parametric")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Cube]:
        """List cubes, newest first."""
        return Ask(models.Cube, query=where)

    @call("GET", "/v1/parametric/{parametric_id}")
    def get(self, parametric_id: Id, **options: Unpack[Reading]) -> Ask[CubeDetail]:
        """Return a cube with its versions."""
        return Ask(models.CubeDetail, parametric_id)

    @call("DELETE", "/v1/parametric/{parametric_id}")
    def delete(self, parametric_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Remove a cube; the memories it was taught stay."""
        return Ask(type(None), parametric_id)

    @call("POST", "/v1/parametric/train")
    def train(
        self,
        parametric_id: Id,
        pairs: Sequence[CubePair] | None = None,
        *,
        probes: Sequence[CubePair] | None = None,
        tolerance: float | None = None,
        **options: Unpack[Writing],
    ) -> Ask[Started[E]]:
        """Teach a cube which memories cues bring, as a job; without ``pairs`` what feedback says.

        ``probes`` are asked before the version is put in force, and not learned. The result of the job says which version was
        made, and whether it is in force.

        Raises:
            Conflict: feedback says nothing new.
        """
        told = {"from": "feedback"} if pairs is None else {"pairs": [_pair(one) for one in pairs]}
        asked = None if probes is None else [_pair(one) for one in probes]
        return Ask(
            models.Started, body={"id": str(parametric_id), **told, **stated({"probes": asked, "tolerance": tolerance})}
        )

    @call("POST", "/v1/parametric/route")
    def ask(
        self,
        query: str,
        *,
        namespaces: Sequence[str] | None = None,
        limit: int | None = None,
        min_score: float | None = None,
        **options: Unpack[Reading],
    ) -> Ask[CubeAnswer]:
        """Ask the cube that knows a query best; where none does, ``abstain`` is true and nothing is named."""
        spaces = None if namespaces is None else [*namespaces]
        said = {"query": query, "namespaces": spaces, "limit": limit, "min_score": min_score}
        return Ask(models.CubeAnswer, body=stated(said))

    @call("POST", "/v1/parametric/merge")
    def merge(self, ids: Sequence[Id], name: str, **options: Unpack[Writing]) -> Ask[CubeDetail]:
        """Make a cube of several: the sum of their weights.

        Raises:
            Conflict: they do not add up, or one is empty or stale.
        """
        return Ask(models.CubeDetail, body={"ids": [str(one) for one in ids], "name": name})

    @call("POST", "/v1/parametric/rollback")
    def roll_back(self, parametric_id: Id, version: int | None = None, **options: Unpack[Writing]) -> Ask[CubeDetail]:
        """Put an earlier version in force, the one it was made from where none is named.

        Raises:
            Conflict: it is stale, was rejected, or there is none.
        """
        return Ask(models.CubeDetail, body=stated({"id": str(parametric_id), "version": version}))


def _pair(pair: CubePair) -> dict[str, str]:
    return {"cue": pair["cue"], "memory_id": str(pair["memory_id"])}
