"""Parametric memory: cubes, and what they were taught."""

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    cube, mine = h.parametric_id, asker.parametric_id
    pairs = [{"cue": asker.secret, "memory_id": h.memory_id}]
    return {
        # A namespace of the same path is the asker's own.
        "POST /v1/parametric": [
            Ask("own", "/v1/parametric", {"name": f"{asker.secret} {cube}", "namespace": h.namespace})
        ],
        "GET /v1/parametric": [*in_namespace(h, "/v1/parametric"), Ask("own", "/v1/parametric")],
        "GET /v1/parametric/{parametric_id}": [Ask("absent", f"/v1/parametric/{cube}")],
        "DELETE /v1/parametric/{parametric_id}": [Ask("absent", f"/v1/parametric/{cube}")],
        "POST /v1/parametric/train": [
            Ask("absent", "/v1/parametric/train", {"id": cube, "pairs": pairs}),
            Ask("absent", "/v1/parametric/train", {"id": cube, "from": "feedback"}),
            *(
                Ask("refused", "/v1/parametric/train", {"id": mine, "pairs": [{"cue": "a", "memory_id": i}]}, 422)
                for i in h.memory_ids
                if asker is not h
            ),
        ],
        "POST /v1/parametric/route": [
            Ask("absent", "/v1/parametric/route", {"query": h.secret, "namespaces": [h.namespace]}),
            Ask("nothing", "/v1/parametric/route", {"query": f"{h.secret}: a cue"}),
            Ask("nothing", "/v1/parametric/route", {"query": f"{h.secret}: a cue", "namespaces": ["default"]}),
        ],
        "POST /v1/parametric/merge": [
            Ask("absent", "/v1/parametric/merge", {"ids": ids, "name": asker.secret})
            for ids in ([cube, mine], [mine, cube])
            if asker is not h
        ]
        + [Ask("absent", "/v1/parametric/merge", {"ids": [cube, h.memory_id], "name": asker.secret})],
        "POST /v1/parametric/rollback": [
            Ask("absent", "/v1/parametric/rollback", {"id": cube, **version}) for version in ({}, {"version": 1})
        ],
    }
