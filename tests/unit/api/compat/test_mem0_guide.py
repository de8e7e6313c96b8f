"""The guide names every parameter that is ignored or refused; the worked examples of the translation hold."""

import doctest
import re
from pathlib import Path
from types import ModuleType

import pytest

from memory_service.api.compat.mem0 import bodies, filters, moments, routing, scope, shapes
from memory_service.api.compat.mem0.not_offered import REFUSALS
from memory_service.api.compat.mem0.parameters import IGNORED, REFUSED

GUIDE = (Path(__file__).parents[4] / "docs" / "howto" / "mem0.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("heading", "names"), [("Ignored", IGNORED), ("Refused", frozenset(REFUSED))])
def test_the_guide_lists_parameters(heading: str, names: frozenset[str]) -> None:
    (said,) = re.findall(rf"^\*\*{heading}\*\*.*?(?=\n\n|\Z)", GUIDE, re.M | re.S)
    assert set(re.findall(r"`([a-z_]+)`", said)) == names
    assert not IGNORED & set(REFUSED)


def test_the_guide_lists_filter_fields() -> None:
    for name in filters.FIELDS:
        assert f"`{name}`" in GUIDE, name
    for operator in filters.OPERATORS:
        assert f"`{operator}`" in GUIDE, operator


def test_refusals_are_sentences() -> None:
    for method, path, reason in REFUSALS:
        assert reason.endswith("."), (method, path)


@pytest.mark.parametrize("module", [bodies, filters, moments, routing, scope, shapes], ids=lambda m: m.__name__)
def test_worked_examples(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert (tried.failed, tried.attempted > 0) == (0, True)
