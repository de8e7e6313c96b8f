"""How a namespace wants to be searched where a search does not say: a preset, and weights of channels. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from memory_service.types import CHANNELS
from retrieval.request import PRESETS, RecallRequest

HEAVIEST: Final = 1_000.0  # as of the weights that a search may state


@dataclass(frozen=True, slots=True)
class FusionPolicy:
    """What a namespace says of its searches; None: nothing."""

    preset: str | None = None
    channels: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it whole, as it is kept and shown."""
        return {"preset": self.preset, "channels": None if self.channels is None else dict(self.channels)}


NONE: Final = FusionPolicy()


def read_fusion(said: Mapping[str, Any]) -> tuple[FusionPolicy, list[tuple[str, str]]]:
    """Read a policy leniently, with everything that is wrong named: (pointer, what) each.

    >>> read_fusion({"channels": {"keyword": 2}})[0].channels
    {'keyword': 2.0}
    >>> read_fusion({"preset": "hasty", "channels": {}})[1]
    [('/preset', 'is none of fast, balanced, thorough'), ('/channels', 'gives no channel a weight above 0')]
    >>> [where for where, _ in read_fusion({"preset": [], "channels": {"vector": 10**400, "graph": float("nan")}})[1]]
    ['/preset', '/channels/vector', '/channels/graph', '/channels']
    """
    wrong = [(f"/{name}", "is no field of a fusion policy") for name in said if name not in {"preset", "channels"}]
    preset, channels = said.get("preset"), said.get("channels")
    if preset is not None and not (isinstance(preset, str) and preset in PRESETS):
        wrong.append(("/preset", f"is none of {', '.join(PRESETS)}"))
        preset = None
    weights: dict[str, float] | None = None
    if channels is not None and not isinstance(channels, Mapping):
        wrong.append(("/channels", "is no object"))
    elif channels is not None:
        weights = {}
        for name, weight in channels.items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if name not in CHANNELS:
                wrong.append((f"/channels/{str(name)[:40]}", f"is none of {', '.join(CHANNELS)}"))
            elif not number or not 0 <= weight <= HEAVIEST:  # not a number is neither
                wrong.append((f"/channels/{name}", f"is no number from 0 to {HEAVIEST:,.0f}"))
            elif weight > 0:
                weights[name] = float(weight)
        if not weights:
            wrong.append(("/channels", "gives no channel a weight above 0"))
    return FusionPolicy(preset, weights or None), wrong


def governed(request: RecallRequest, policy: FusionPolicy) -> RecallRequest:
    """Return a search as its namespace has it, where the caller did not say otherwise.

    >>> policy = FusionPolicy("thorough", {"keyword": 1.0})
    >>> [(one.preset, one.weights) for one in (
    ...     governed(RecallRequest("tea"), policy),
    ...     governed(RecallRequest("tea", preset="fast", preset_said=True, weights={"vector": 1.0}), policy))]
    [('thorough', {'keyword': 1.0}), ('fast', {'vector': 1.0})]
    """
    if policy.preset is not None and not request.preset_said:
        request = replace(request, preset=policy.preset)
    if policy.channels is not None and request.weights is None:
        request = replace(request, weights=policy.channels)
    return request
