"""The requests of every operation of the API, put together from its parts."""

from tests.integration.tenancy.asks import (
    access,
    blocks,
    consolidations,
    documents,
    encoders,
    erasures,
    graph,
    jobs,
    kv,
    mem0,
    memories,
    namespaces,
    overviews,
    parametric,
    policies,
    search,
    tasks,
    transfer,
    webhooks,
)
from tests.integration.tenancy.asks.ask import Asks
from tests.integration.tenancy.household import Household

# In this order, unless a test sorts them.
PARTS = (
    search,
    memories,
    documents,
    erasures,
    consolidations,
    policies,
    graph,
    namespaces,
    transfer,
    jobs,
    access,
    encoders,
    overviews,
    kv,
    parametric,
    webhooks,
    blocks,
    tasks,
    mem0,
)


def asks_about(about: Household, asker: Household) -> Asks:
    """Return for every operation of the API the requests that name what belongs to `about`."""
    found: Asks = {}
    for part in PARTS:
        asks = part.asks(about, asker)
        twice = found.keys() & asks.keys()
        assert not twice, f"{twice} would be attacked by the later part only"
        found |= asks
    return found
