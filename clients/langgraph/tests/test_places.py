"""Namespaces and keys: every one that LangGraph allows has a place, and comes back from it as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import InvalidNamespaceError

from memory_langgraph.errors import InvalidKey, NamespaceTooLong
from memory_langgraph.places import check_root, external_id_of, key_of, namespace_of, path_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
LABELS = TEXTS.filter(lambda text: text != "" and "." not in text)


@given(st.lists(LABELS, max_size=3).map(tuple))
def test_a_namespace_comes_back(namespace: tuple[str, ...]) -> None:
    path = path_of("langgraph", namespace) if sum(len(label.encode()) for label in namespace) < 80 else None
    if path is not None:
        assert namespace_of("langgraph", path) == namespace
        assert all(character.isascii() and (character.isalnum() or character in "._@:-/") for character in path)


@given(st.lists(LABELS, min_size=2, max_size=2, unique=True))
def test_two_namespaces_never_share_a_path(labels: list[str]) -> None:
    one, other = (path_of("langgraph", (label,)) for label in labels)
    assert one != other


@given(TEXTS)
def test_a_key_comes_back(key: str) -> None:
    external_id = external_id_of(key)
    assert external_id
    assert key_of(external_id) == key


@pytest.mark.parametrize("key", ["x" * 257, "%" * 100, "a\x00b", "a\ud800b"])
def test_a_key_that_no_memory_can_have_is_refused(key: str) -> None:
    with pytest.raises(InvalidKey):
        external_id_of(key)


def test_a_namespace_that_is_too_long_is_refused_with_the_way_out() -> None:
    assert path_of("langgraph", ("x" * 246,))
    with pytest.raises(NamespaceTooLong, match="shorten its labels"):
        path_of("langgraph", ("x" * 247,))
    with pytest.raises(NamespaceTooLong):
        path_of("langgraph", ("ü" * 60,))
    with pytest.raises(InvalidNamespaceError, match="surrogate"):
        path_of("langgraph", ("a\ud800",))


@pytest.mark.parametrize("root", ["", "/", "a/", "a b", "a//b", "x" * 129])
def test_a_root_is_a_path(root: str) -> None:
    with pytest.raises(ValueError, match="no root"):
        check_root(root)
