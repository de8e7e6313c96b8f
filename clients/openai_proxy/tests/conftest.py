"""The real openai package, pointed at the service."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI


@pytest.fixture
def model(model_server: Any) -> Any:
    """Return the model's server, with nothing sent yet and well behaved."""
    model_server.reset()
    return model_server


@pytest.fixture
def openai_client(service: Any) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/openai/v1", api_key=service.api_key, max_retries=0) as client:
        yield client
