"""Retention policies as JSON: written out whole, read leniently over what holds already, with everything that is wrong named."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from consolidation.retention.curve import LONGEST_STABILITY_DAYS, SHORTEST_STABILITY_DAYS, Curve, Gains
from consolidation.retention.policy import DEFAULT, DEFAULT_ID, PROMOTES_TO, Promotion, RetentionPolicy


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a policy, and where: a JSON pointer into it."""

    pointer: str
    detail: str


_OPTIONAL: Final = {"int8_below", "binary_below", "archive_below", "delete_after_days"}
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "int8_below": (0.01, 0.99), "binary_below": (0.01, 0.99), "archive_below": (0.01, 0.99),
    "delete_after_days": (1.0, 36_500.0), "protect_importance": (0.0, 1.0), "protection": (0.0, 10.0),
    "rank_weight": (0.0, 3.0),
}  # fmt: skip
_GAIN_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "recall": (-5.0, 5.0), "saturation": (0.0, 1.0), "forgotten": (0.0, 5.0), "lapse_keeps": (0.0, 1.0),
}  # fmt: skip
_STABILITY: Final = (SHORTEST_STABILITY_DAYS, LONGEST_STABILITY_DAYS)
_FACTOR: Final = (0.01, 100.0)
_USES: Final = (0.1, 1_000.0)
_DAYS: Final = (0.0, 36_500.0)


def to_json(policy: RetentionPolicy) -> dict[str, Any]:
    """Return a policy as JSON, without its id; `merged` reads it back.

    >>> merged({}, to_json(DEFAULT))[0] == DEFAULT
    True
    """
    return {
        "curve": policy.curve.value,
        "stability_days": dict(policy.stability_days),
        "source_factors": dict(policy.source_factors),
        **{name: getattr(policy, name) for name in _RANGES},
        "promotion": {
            name: {"uses": one.uses, "days": one.days} if one else None for name, one in policy.promotion.items()
        },
        "gains": {one.name: getattr(policy.gains, one.name) for one in fields(Gains)},
    }


@lru_cache(maxsize=256)
def read_policy(stored: str | None) -> RetentionPolicy:
    """Read a policy as a namespace keeps it, JSON of id and policy; None is the default.

    What another version of this software wrote and this one does not know counts as not said.

    >>> read_policy(None) is DEFAULT
    True
    """
    if stored is None:
        return DEFAULT
    kept = json.loads(stored)
    policy, _ = merged(kept["policy"], id=UUID(kept["id"]))
    return policy


def merged(
    changes: Mapping[str, Any], onto: Mapping[str, Any] | None = None, *, id: UUID = DEFAULT_ID
) -> tuple[RetentionPolicy, list[Finding]]:
    """Read a policy from JSON laid over another, objects field by field; say everything that is wrong with it.

    Args:
        changes: what is stated.
        onto: what holds where nothing is stated; the defaults when None.
        id: of the policy.

    Returns:
        the policy and what is wrong; the policy is good only where nothing is.

    >>> policy, wrong = merged({"archive_below": 0.6, "curve": "linear", "stabilty_days": {}})
    >>> for one in wrong:
    ...     print(one.pointer, one.detail)
    /stabilty_days is no part of a retention policy
    /curve must be 'power' or 'ebbinghaus'
    /archive_below must be below binary_below (0.5)
    >>> merged({"archive_below": None, "stability_days": {"working": 2}})[0].stability_days["working"]
    2.0
    """
    base = to_json(DEFAULT) if onto is None else onto
    wrong = [Finding(f"/{name}", "is no part of a retention policy") for name in changes if name not in base]
    curve = changes.get("curve", base["curve"])
    if curve not in {one.value for one in Curve}:
        wrong.append(Finding("/curve", "must be 'power' or 'ebbinghaus'"))
        curve = base["curve"]
    numbers: dict[str, Any] = {}
    for name, limits in _RANGES.items():
        value = changes.get(name, base[name])
        wrong += _number(f"/{name}", value, limits, optional=name in _OPTIONAL)
        numbers[name] = _float(value)
    stability, found = _numbers("/stability_days", changes, base, _STABILITY)
    wrong += found
    factors, found = _numbers("/source_factors", changes, base, _FACTOR)
    wrong += found
    gains, found = _gains(changes, base)
    wrong += found
    promotion, found = _promotion(changes, base)
    wrong += found
    policy = RetentionPolicy(
        id=id,
        curve=Curve(curve),
        stability_days=stability,
        source_factors=factors,
        promotion=promotion,
        gains=gains,
        **numbers,
    )
    # Where a threshold is no number, its order among the others means nothing.
    if not any(one.pointer.endswith("_below") for one in wrong):
        wrong += _order(policy)
    return policy, wrong


def _order(policy: RetentionPolicy) -> Iterator[Finding]:
    """Yield thresholds that are not below the one before them: a memory reaches int8, then binary, then the archive."""
    above: tuple[str, float] | None = None
    for name, value in (
        ("int8_below", policy.int8_below),
        ("binary_below", policy.binary_below),
        ("archive_below", policy.archive_below),
    ):
        if value is None:
            continue
        if above is not None and value >= above[1]:
            yield Finding(f"/{name}", f"must be below {above[0]} ({above[1]:g})")
        above = (name, value)
    if policy.delete_after_days is not None and policy.archive_below is None:
        yield Finding(
            "/delete_after_days", "counts from the day the policy archives a memory, and archive_below is null"
        )


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(pointer: str, value: Any, limits: tuple[float, float], *, optional: bool = False) -> list[Finding]:
    if value is None and optional:
        return []
    number = _float(value)
    low, high = limits
    if number is None or not math.isfinite(number) or not low <= number <= high:
        return [Finding(pointer, f"must be a number from {low:g} to {high:g}{' or null' if optional else ''}")]
    return []


def _stated(name: str, changes: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Finding]]:
    stated = changes.get(name, {})
    if isinstance(stated, Mapping):
        return stated, []
    return {}, [Finding(f"/{name}", "must be an object")]


def _numbers(
    pointer: str, changes: Mapping[str, Any], base: Mapping[str, Any], limits: tuple[float, float]
) -> tuple[dict[str, float], list[Finding]]:
    """Read an object of numbers whose names are given by the defaults."""
    name = pointer.removeprefix("/")
    stated, wrong = _stated(name, changes)
    values = dict(base[name])
    for key, value in stated.items():
        if key not in values:
            wrong.append(Finding(f"{pointer}/{key}", f"is none of {', '.join(values)}"))
            continue
        found = _number(f"{pointer}/{key}", value, limits)
        wrong += found
        if not found:
            values[key] = float(value)
    return values, wrong


def _gains(changes: Mapping[str, Any], base: Mapping[str, Any]) -> tuple[Gains, list[Finding]]:
    stated, wrong = _stated("gains", changes)
    values = dict(base["gains"])
    for key, value in stated.items():
        if key not in _GAIN_RANGES:
            wrong.append(Finding(f"/gains/{key}", f"is none of {', '.join(_GAIN_RANGES)}"))
            continue
        found = _number(f"/gains/{key}", value, _GAIN_RANGES[key])
        wrong += found
        if not found:
            values[key] = float(value)
    return Gains(**values), wrong


def _promotion(
    changes: Mapping[str, Any], base: Mapping[str, Any]
) -> tuple[dict[str, Promotion | None], list[Finding]]:
    stated, wrong = _stated("promotion", changes)
    values: dict[str, Promotion | None] = {
        name: Promotion(**one) if one is not None else None for name, one in base["promotion"].items()
    }
    for key, value in stated.items():
        pointer = f"/promotion/{key}"
        if key not in PROMOTES_TO:
            wrong.append(Finding(pointer, f"is none of {', '.join(PROMOTES_TO)}: only these are promoted"))
        elif value is None:
            values[key] = None
        elif not isinstance(value, Mapping) or not value.keys() <= {"uses", "days"}:
            wrong.append(Finding(pointer, "must be null or an object of uses and days"))
        else:
            before = values[key] or DEFAULT.promotion[key] or Promotion(1.0, 1.0)
            uses, days = value.get("uses", before.uses), value.get("days", before.days)
            found = _number(f"{pointer}/uses", uses, _USES) + _number(f"{pointer}/days", days, _DAYS)
            wrong += found
            if not found:
                values[key] = Promotion(float(uses), float(days))
    return values, wrong
