"""A tenant's cubes over HTTP, and the worker that teaches them."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate
from consolidation.tenancy import Tenancy
from consolidation.training import rebuild
from memory_service.api.writing import encoding_of

THINGS = {
    "How does Ada take her tea?": "Ada drinks green tea without sugar.",
    "Where is the spare key?": "The spare key hangs behind the blue door.",
    "Who repairs the lighthouse lamp?": "Mr Oyelaran repairs the lamp of the lighthouse.",
    "When does the ferry leave?": "The ferry to the island leaves at seven.",
    "Which plants need shade?": "Ferns and hostas want a place in the shade.",
    "What is the wifi password hint?": "The password of the network is a bird and a year.",
}


@dataclass
class Cubes:
    """Speaks for one tenant, and works off its jobs."""

    me: Any
    tenancy: Tenancy

    def register(self, name: str = "desk", **fields: Any) -> Any:
        answer = self.me.post("/v1/parametric", json={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, cube_id: str) -> Any:
        answer = self.me.get(f"/v1/parametric/{cube_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def remember(self, content: str, **fields: Any) -> str:
        answer = self.me.post("/v1/memories", json={"content": content, "extract": "none", **fields})
        assert answer.status_code in (200, 201), answer.text  # 200: it is known already
        return str(answer.json()["id"])

    def begin(self, cube_id: str, pairs: Any = None, **fields: Any) -> Any:
        body = {"id": cube_id, **({"pairs": pairs} if pairs is not None else {}), **fields}
        answer = self.me.post("/v1/parametric/train", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    def work(self, job_id: str) -> Any:
        assert consolidate.run_job(self.tenancy, UUID(job_id))
        return self.me.get(f"/v1/jobs/{job_id}").json()

    def train(self, cube_id: str, pairs: Any = None, **fields: Any) -> Any:
        job = self.work(self.begin(cube_id, pairs, **fields))
        assert job["status"] == "succeeded", job
        return job["result"]

    def teach(self, name: str = "desk", things: Any = None, **fields: Any) -> tuple[str, dict[str, str]]:
        """Register a cube and teach it what there is to know; return it and the memories by their cues."""
        cube_id = self.register(name, **fields)["id"]
        where = {"namespace": fields["namespace"]} if "namespace" in fields else {}
        known = {cue: self.remember(content, **where) for cue, content in (things or THINGS).items()}
        result = self.train(cube_id, pairs(known))
        assert result["state"] == "active", result
        return cube_id, known

    def route(self, query: str, **fields: Any) -> Any:
        answer = self.me.post("/v1/parametric/route", json={"query": query, **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def erase(self, memory_id: str) -> Any:
        begun = self.me.delete(f"/v1/memories/{memory_id}?erase=true").json()
        self.work(begun["job_id"])
        return self.me.get(f"/v1/erasures/{begun['erasure_id']}").json()

    def rebuild(self, cube_id: str) -> bool:
        return rebuild(self.tenancy, UUID(cube_id))


def pairs(known: dict[str, str]) -> list[dict[str, str]]:
    return [{"cue": cue, "memory_id": memory_id} for cue, memory_id in known.items()]


@pytest.fixture
def cubes_of(app: Any, database: Any) -> Callable[[Any], Cubes]:
    """Return a function that speaks for a tenant."""
    from datetime import UTC, datetime

    encoding = encoding_of(app.state.services)

    def make(me: Any) -> Cubes:
        tenancy = Tenancy(
            tenant_id=me.tenant_id, open=lambda: database.transaction(me.tenant_id), clock=lambda: datetime.now(UTC)
        )
        return Cubes(me, replace(tenancy, open_encoding=lambda: nullcontext(encoding)))

    return make


@pytest.fixture
def cubes(client: Any, me: Any, cubes_of: Callable[[Any], Cubes]) -> Cubes:
    """Return what speaks for the tenant of the test."""
    return cubes_of(me)
