"""The service that the benchmark of scale runs with an encoder of its own."""

import inspect

from benchmarks import scale_http
from memory_service import encoding


def test_the_encoder_is_opened_where_the_benchmark_puts_its_own() -> None:
    """It goes by a name: moved elsewhere, the benchmark would fail only once a million memories are loaded."""
    assert vars(scale_http.opening)["open_default"] is encoding.open_default
    assert "open_default(" in inspect.getsource(scale_http.opening)
