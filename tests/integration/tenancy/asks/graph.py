"""The graph: entities, links, and what consolidation builds above memories."""

from tests.integration.tenancy.asks.ask import Ask, Asks, lists
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    ids = h.memory_ids
    space = h.space
    return {
        **{
            f"GET {path}": [
                *(Ask("absent", f"{path}?depth=3&seed={i}") for i in (*ids, h.entity_id, h.episode_id, h.topic_id)),
                Ask("absent", f"{path}?namespace={space}"),
                Ask("absent", f"{path}?namespace={space}&query={h.secret}"),
                Ask("absent", f"{path}?depth=3&seed={h.memory_id}&known_at=2100-01-01T00:00:00Z"),
                Ask("own", f"{path}?begin=10000&limit=10000&depth=3"),
            ]
            for path in ("/v1/graph", "/v1/graph/picture")
        },
        "POST /v1/graph/edges": [
            Ask("nothing", "/v1/graph/edges", {"nodes": [*ids, h.entity_id, h.episode_id, h.topic_id, h.community_id]}),
            Ask("absent", "/v1/graph/edges", {"nodes": [*ids], "namespace": h.namespace}),
        ],
        "GET /v1/episodes/{episode_id}": [Ask("absent", f"/v1/episodes/{h.episode_id}")],
        "GET /v1/topics/{topic_id}": [Ask("absent", f"/v1/topics/{h.topic_id}")],
        "GET /v1/communities/{community_id}": [Ask("absent", f"/v1/communities/{h.community_id}")],
        "GET /v1/profiles/{user_id}": [
            Ask("absent", f"/v1/profiles/{h.user_id}"),
            Ask("absent", f"/v1/profiles/{asker.user_id}?namespace={space}"),
        ],
        "GET /v1/entities/{entity_id}": [Ask("absent", f"/v1/entities/{h.entity_id}")],
        "GET /v1/entities/{entity_id}/mentions": [Ask("absent", f"/v1/entities/{h.entity_id}/mentions")],
        "POST /v1/entities/merge": [
            Ask("absent", "/v1/entities/merge", {"from": [h.entity_id], "into": asker.entity_id, "namespace": path})
            for path in (h.namespace, asker.namespace)
        ]
        + [
            Ask(
                "absent",
                "/v1/entities/merge",
                {"from": [asker.entity_id], "into": h.entity_id, "namespace": asker.namespace},
            )
        ],
        "POST /v1/entities/split": [
            Ask("absent", "/v1/entities/split", {"entity_id": h.entity_id, "names": ["Tomás"], "namespace": path})
            for path in (h.namespace, asker.namespace)
        ],
        "POST /v1/links": [
            Ask("absent", "/v1/links", {"from": one, "to": other, "type": "supports"})
            for one, other in (
                (h.memory_id, h.older_id),
                (asker.memory_id, h.memory_id),
                (h.memory_id, asker.memory_id),
                (asker.memory_id, h.erased_id),
            )
        ],
        "DELETE /v1/links/{link_id}": [Ask("absent", f"/v1/links/{h.link_id}")],
        **lists(h, "entities", "facts", "links", "episodes", "topics", "communities"),
    }
