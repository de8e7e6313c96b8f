"""How the service is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.models import Liveness, Readiness
    from memory_client.operation import Reading


class Health(Resource[E]):
    """Calls about the service itself."""

    @call("GET", "/healthz")
    def live(self, **options: Unpack[Reading]) -> Ask[Liveness]:
        """Return whether the process lives."""
        return Ask(models.Liveness)

    @call("GET", "/readyz")
    def ready(self, **options: Unpack[Reading]) -> Ask[Readiness]:
        """Return whether requests can be served, part by part; also when they cannot."""
        return Ask(models.Readiness, also=503)

    @call("GET", "/metrics")
    def metrics(self, **options: Unpack[Reading]) -> Ask[str]:
        """Return the metrics as Prometheus reads them."""
        return Ask(bytes.decode)
