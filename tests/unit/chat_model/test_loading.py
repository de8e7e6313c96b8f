"""Which model the settings name: none, unless the operator names one."""

from typing import Any

from memory_service.chat_model.loading import open_chat_model
from memory_service.chat_model.protocol import Message
from memory_service.settings import Settings


def test_none_unless_configured() -> None:
    assert open_chat_model(Settings(**{"LLM_BASE_URL": ""})) is None


def test_the_one_that_is_named_is_asked_with_its_key(endpoint: Any) -> None:
    endpoint.will(endpoint.completion({"a": "b"}))
    named: dict[str, Any] = {"LLM_BASE_URL": endpoint.base_url, "LLM_MODEL": "m-7", "LLM_API_KEY": "s3cret"}
    chat = open_chat_model(Settings(**named))
    assert chat is not None
    assert chat.name == "m-7"
    assert chat.ask([Message("user", "Say a.")], {"type": "object"}, max_tokens=9).text == '{"a": "b"}'
    assert endpoint.asked[0]["model"] == "m-7"
    assert endpoint.headers[0]["Authorization"] == "Bearer s3cret"
    chat.close()
