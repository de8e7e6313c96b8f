import doctest
from importlib import import_module
from pkgutil import walk_packages

import memory_client


def test_the_examples_of_docstrings_are_true() -> None:
    tried = 0
    for module in walk_packages(memory_client.__path__, "memory_client."):
        result = doctest.testmod(import_module(module.name), raise_on_error=True)
        tried += result.attempted
    assert tried > 10
