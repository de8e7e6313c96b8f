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
