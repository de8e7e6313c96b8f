"""Which namespaces a listing is about, and how it shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langgraph.store.base import ListNamespacesOp, MatchCondition

ANY = "*"


def common_prefix(conditions: Sequence[MatchCondition]) -> tuple[str, ...]:
    """Return the longest beginning that all namespaces asked for share: labels of a prefix up to its first wildcard.

    >>> common_prefix([MatchCondition("prefix", ("users", "*", "notes")), MatchCondition("suffix", ("v1",))])
    ('users',)
    """
    longest: tuple[str, ...] = ()
    for condition in conditions:
        if condition.match_type == "prefix":
            path = tuple(condition.path)
            plain = path[: path.index(ANY)] if ANY in path else path
            longest = max(longest, plain, key=len)
    return longest


def selected(found: Iterable[tuple[str, ...]], op: ListNamespacesOp) -> list[tuple[str, ...]]:
    """Return the namespaces that a listing shows: matched, cut to its depth, in order, one page of them.

    Raises:
        ValueError: a condition is neither of a prefix nor of a suffix.
    """
    conditions = op.match_conditions or ()
    kept = {one[: op.max_depth] for one in found if all(_matches(one, condition) for condition in conditions)}
    return sorted(kept)[op.offset : op.offset + op.limit]


def _matches(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if condition.match_type not in {"prefix", "suffix"}:
        raise ValueError(f"Unsupported match type: {condition.match_type}")
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in (ANY, label) for label, wanted in zip(part, path, strict=True))
