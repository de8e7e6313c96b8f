"""Tasks and the steps below them."""

from typing import Any

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    ids = (h.task_id, h.step_id)
    mine = asker.task_id

    def each(suffix: str = "", body: Any = None) -> list[Ask]:
        return [Ask("absent", f"/v1/tasks/{i}{suffix}", body) for i in ids]

    return {
        "POST /v1/tasks": [
            *(Ask("refused", "/v1/tasks", {"title": "a", "parent_id": i}, 422) for i in ids),
            Ask("refused", "/v1/tasks", {"title": "a", "parent_id": h.task_id, "namespace": h.namespace}, 422),
            *(Ask("refused", "/v1/tasks", {"title": "a", "depends_on": [i]}, 422) for i in ids),
            Ask("refused", "/v1/tasks", {"title": "a", "parent_id": mine, "depends_on": [h.step_id]}, 422),
            Ask("own", "/v1/tasks", {"title": asker.secret, "namespace": h.namespace, "user_id": h.user_id}),
        ],
        "GET /v1/tasks": [
            Ask("absent", f"/v1/tasks?namespace={h.namespace.replace('/', '%2F')}"),
            *(Ask("nothing", f"/v1/tasks?{name}={i}") for name in ("parent_id", "root_id") for i in ids),
            Ask("nothing", f"/v1/tasks?user_id={h.user_id}"),
            Ask("nothing", f"/v1/tasks?agent_id={h.agent_id}&session_id={h.session_id}"),
        ],
        "GET /v1/tasks/{task_id}": each(),
        "PATCH /v1/tasks/{task_id}": [
            *each(body={"title": "defaced"}),
            Ask("refused", f"/v1/tasks/{mine}", {"depends_on": [h.step_id]}, 422),
        ],
        "DELETE /v1/tasks/{task_id}": each() + each("?erase=true"),
        "GET /v1/tasks/{task_id}/versions": each("/versions"),
        "GET /v1/tasks/{task_id}/context": each("/context") + each("/context?include_memories=true"),
        "POST /v1/tasks/{task_id}/close": each("/close", {"force": True}),
        "POST /v1/tasks/{task_id}/rollback": each("/rollback", {}),
        "POST /v1/tasks/{task_id}/replace": [
            *each("/replace", {}),
            Ask("refused", f"/v1/tasks/{mine}/replace", {"depends_on": [h.step_id]}, 422),
        ],
    }
