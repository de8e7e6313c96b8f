import pytest
from pydantic import ValidationError

from memory_service.settings import Settings, unusable_settings


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://h", "redis+socket:///run/valkey.sock", ""])
def test_brokers_that_can_be_used(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BROKER_URL", url)
    assert Settings().broker_url == url


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BROKER_URL", "amqp://me:secret@host", "BROKER_URL is set: a Redis or Valkey server is needed"),
        ("LLM_BASE_URL", "ftp://me:secret@host", "LLM_BASE_URL is set: an OpenAI-compatible endpoint is needed"),
        ("LLM_BASE_URL", "http://127.0.0.1:8001/v1", "LLM_MODEL is '': LLM_BASE_URL names an endpoint"),
        ("MEMORY_SERVICE_RATE_LIMIT", "lots", "MEMORY_SERVICE_RATE_LIMIT is 'lots': write it as 600/minute"),
        ("MEMORY_SERVICE_PORT", "abc", "MEMORY_SERVICE_PORT is 'abc': input should be a valid integer"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    [sentence] = unusable_settings(refused.value)
    assert sentence.startswith(said)
    assert "secret" not in sentence


def test_a_key_of_a_model_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", "s3cret")
    assert "s3cret" not in repr(Settings())
