"""One tenant of the attacks, by everything of it that has a name or an id."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Household:
    """One tenant with one of everything that has a name or an id."""

    client: Any
    tenant_id: UUID
    memory_id: str
    older_id: str  # superseded by memory_id
    archived_id: str
    erased_id: str
    queued_job_id: str
    done_job_id: str
    search_id: str
    key_id: str
    entity_id: str
    episode_id: str
    topic_id: str
    community_id: str
    saved_query_id: str
    changeset_id: str
    review_id: str
    document_id: str
    label: str  # of a block
    task_id: str
    step_id: str  # below task_id
    erasure_id: str
    import_job_id: str
    kv_memory_id: str
    kv_plan_id: str
    parametric_id: str
    link_id: str
    webhook_id: str
    delivery_id: str
    namespace: str
    user_id: str
    agent_id: str
    session_id: str
    external_id: str
    idempotency_key: str
    content: str
    secret: str  # a word that stands in every text of this tenant and nowhere else

    @property
    def marks(self) -> dict[str, str]:
        """Return everything by which an answer would show that it knows this tenant."""
        names = self.__dataclass_fields__.keys() - {"client", "content", "idempotency_key"}
        return {name: str(getattr(self, name)) for name in names}

    @property
    def memory_ids(self) -> tuple[str, ...]:
        """Return every memory that an answer could show, whatever has become of it."""
        return (self.memory_id, self.older_id, self.archived_id, self.erased_id)

    @property
    def space(self) -> str:
        """Return the namespace as it stands in an address."""
        return self.namespace.replace("/", "%2F")

    @property
    def scopes(self) -> list[dict[str, str]]:
        """Return the names by which memories are filtered, one at a time."""
        names = ("user_id", "agent_id", "session_id", "external_id")
        return [{name: getattr(self, name)} for name in names]
