"""What an item is found by: the text of its indexed fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from langgraph.store.base import get_text_at_path

WHOLE = "$"  # the path of the value itself
MAX_BYTES = 64 * 1024  # of a content

Index = Sequence[str] | Literal[False] | None


def text_of(value: Mapping[str, Any], index: Index, *, fields: Sequence[str]) -> str | None:
    """Return the text by which an item is found, None when it is not to be found by its meaning.

    Texts of several fields stand on lines of their own. What is beyond 64 KiB is not searched; the value keeps it.

    Args:
        value: the value of the item.
        index: what the caller of `put` said: False for no index, paths, or None for those of the store.
        fields: the paths of the store.
    """
    if index is False:
        return None
    texts: list[str] = []
    for path in fields if index is None else index:
        texts.extend(_lines(value) if path == WHOLE else get_text_at_path(value, path))
    text = _cut("\n".join(one for one in texts if shows(one)))
    return text if shows(text) else None


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield a value as a person would note it: one line for each thing said, its place in front unless it is alone.

    >>> list(_lines({"likes": "tea"})), list(_lines({"likes": ["tea", "jam"], "since": {"year": 2020}, "x": None}))
    (['tea'], ['likes: tea', 'likes: jam', 'since year: 2020'])
    """
    leaves = list(_leaves(value, ()))
    alone = len(leaves) == 1
    for place, leaf in leaves:
        said = leaf if isinstance(leaf, str) else json.dumps(leaf)
        yield said if alone or not place else f"{' '.join(place)}: {said}"


def _leaves(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, (*place, str(name)))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one, place)
    elif value is not None:
        yield place, value


def _cut(text: str) -> str:
    if len(text) * 4 <= MAX_BYTES:
        return text
    return text.encode("utf-8", "surrogatepass")[:MAX_BYTES].decode("utf-8", "ignore")


def shows(text: str) -> bool:
    """Say whether a text holds anything that can be seen; the service takes no other."""
    return any(character.isprintable() and not character.isspace() for character in text)
