"""Key–value caches: engines, plans, saved blocks, quotas."""

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    digest = "ab" * 32
    # No model is configured here; tests/integration/kv_plans attacks plans with one.
    plan = {"model": f"{h.secret} model", "memory_ids": [h.memory_id], "namespace": h.namespace}
    return {
        # Engines have no names of their own: what is put under a digest is the asker's.
        "PUT /v1/kv/engines/{digest}": [
            Ask("refused", f"/v1/kv/engines/{digest}", {"model": f"{h.secret} model"}, 422),
            Ask("absent", "/v1/kv/engines/", {}),
        ],
        "GET /v1/kv/engines": [
            Ask("nothing", f"/v1/kv/engines?model={h.secret}%20model"),
            Ask("own", f"/v1/kv/engines?model={asker.secret}%20model"),
        ],
        "POST /v1/kv/plan": [Ask("absent", "/v1/kv/plan", plan)],
        "POST /v1/kv/precompute": [Ask("absent", "/v1/kv/precompute", plan)],
        # Without a file nothing is saved; tests/integration/kv sends one, with another tenant's plan.
        "POST /v1/kv/memories": [
            Ask("refused", f"/v1/kv/memories?plan_id={h.kv_plan_id}&first_block=0&count=1&checksum={digest}", {}, 415)
        ],
        "GET /v1/kv/memories": [
            Ask("nothing", f"/v1/kv/memories?memory_id={h.memory_id}"),
            Ask("absent", f"/v1/kv/memories?namespace={h.namespace.replace('/', '%2F')}"),
        ],
        "GET /v1/kv/memories/{kv_memory_id}": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}")],
        "GET /v1/kv/memories/{kv_memory_id}/blob": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}/blob")],
        "POST /v1/kv/memories/{kv_memory_id}/check": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}/check")],
        "DELETE /v1/kv/memories/{kv_memory_id}": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}")],
        "POST /v1/kv/blocks/lookup": [
            Ask("absent", "/v1/kv/blocks/lookup", {"engine": digest, "block_hashes": [], "plan_id": h.kv_plan_id})
        ],
        "GET /v1/kv/stats": [Ask("own", "/v1/kv/stats")],
        "GET /v1/kv/quota": [Ask("own", "/v1/kv/quota")],
        "PUT /v1/kv/quota": [Ask("absent", "/v1/kv/quota", {"bytes": 1, "namespace": h.namespace})],
    }
