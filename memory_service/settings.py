"""What the operator decides, read once from the environment."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from memory_service.cores import usable_cores
from memory_service.webhooks.addresses import read_networks

CHECKOUT = Path(__file__).resolve().parent.parent
# What Celery's transport for Redis and Valkey understands. Jobs rely on its acknowledgements.
BROKER_SCHEMES = ("redis://", "rediss://", "redis+socket://")


def usual_processes() -> int:
    """Return how many API processes `memory-service run` starts: two, one where there is a single core for them."""
    return min(2, usable_cores())


def usual_encoder_threads() -> int:
    """Return how many batches of passages a process encodes at a time: one for each core, sixteen at most."""
    return min(16, usable_cores())


class Settings(BaseSettings):
    """Settings of one process; every field names its environment variable.

    Fields without an alias are read from ``MEMORY_SERVICE_<NAME>``. An empty ``database_url`` or ``broker_url``
    means: the embedded server of ``data_dir``.
    """

    model_config = SettingsConfigDict(env_prefix="MEMORY_SERVICE_", env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = CHECKOUT / "var"
    host: str = "127.0.0.1"
    # API processes behind the one port, for Python computes on one core in each.
    api_processes: int = Field(default_factory=usual_processes, ge=1, le=64)
    port: int = Field(default=8000, ge=1, le=65535)
    allowed_hosts: str = ""

    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    broker_url: str = Field(default="", validation_alias="BROKER_URL")
    owner_database_url: str = ""
    maintenance_database_url: str = ""
    service_database_url: str = ""
    pool_size: int = Field(default=20, ge=1, le=200)

    encoder: str = "packaged-minilm"
    encoder_runtime: Literal["auto", "onnx", "torch"] = "auto"
    # Batches of passages that one process encodes at a time, where the runtime lets several threads in.
    encoder_threads: int = Field(default_factory=usual_encoder_threads, ge=1, le=64)

    # A cross-encoder for `preset: thorough`, empty for none, and how long one search waits for it.
    reranker: str = ""
    reranker_ms: int = Field(default=1000, ge=1, le=60_000)

    # A language model for the background, behind any OpenAI-compatible endpoint; an empty base URL means none, and rules alone.
    llm_base_url: str = Field(default="", validation_alias="LLM_BASE_URL")
    llm_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="LLM_API_KEY")
    llm_model: str = Field(default="", validation_alias="LLM_MODEL", validate_default=True)
    llm_context_tokens: int = Field(default=8192, ge=2048, le=1_000_000, validation_alias="LLM_CONTEXT_TOKENS")
    llm_timeout_s: float = Field(default=60.0, gt=0, le=300, validation_alias="LLM_TIMEOUT_S")
    llm_attempts: int = Field(default=3, ge=1, le=10, validation_alias="LLM_ATTEMPTS")
    llm_job_tokens: int = Field(default=200_000, ge=0, validation_alias="LLM_JOB_TOKENS")
    llm_reply_ttl_days: int = Field(default=30, ge=1, validation_alias="LLM_REPLY_TTL_DAYS")

    # Where chats are passed on to, /openai/v1; an empty URL means the model above. An engine of the kind `vllm` is told a salt
    # per tenant, made of the secret; in place of an empty one the data folder keeps one that is drawn once.
    # With `upstream_kv` it is told which blocks to load and save, too: our connector runs in it.
    upstream_url: str = ""
    upstream_api_key: SecretStr = SecretStr("")
    upstream_kind: Literal["openai", "vllm"] = "openai"
    upstream_salt_secret: SecretStr = SecretStr("")
    upstream_kv: bool = False
    upstream_timeout_s: float = Field(default=300.0, gt=0, le=3600)

    # Models whose prompts are planned and computed ahead, as name=folder or name=id of the local hub cache, several with commas.
    kv_models: str = ""

    # Namespaces kept in memory by each API process, and the largest that is: beyond it candidates come from Postgres.
    resident_mb: int = Field(default=512, ge=0)
    resident_largest: int = Field(default=50_000, ge=0)

    # A namespace with so many memories gets a shelf of its own with an approximate index; what building one may use.
    own_shelf_from: int = Field(default=50_000, ge=100)
    shelf_build_mb: int = Field(default=1024, ge=64)
    shelf_build_workers: int = Field(default=0, ge=0, le=64)

    # What is new in a namespace is consolidated when nothing more came for a while, and after a longer while in any case.
    consolidate_after_s: int = Field(default=60, ge=0)
    consolidate_at_latest_s: int = Field(default=600, ge=0)

    # What a delete of a mem0 client does: archive, which can be taken back, or erase for good.
    mem0_delete: Literal["archive", "erase"] = "archive"

    # The longest bundle that one import may bring.
    import_mb: int = Field(default=1024, ge=1, le=65_536)

    # Where the blobs of KV memories lie: a folder (that of the data by default), or a store that speaks S3, such as
    # s3://bucket/prefix?endpoint=https://…&region=…; credentials come from the usual AWS_… variables.
    kv_dir: Path | None = None
    kv_url: str = ""
    # What a tenant may keep at most, the largest blob that one save may bring, and how long a record lives.
    kv_quota_mb: int = Field(default=10_240, ge=0)
    kv_upload_mb: int = Field(default=512, ge=1, le=65_536)
    kv_ttl_days: int = Field(default=30, ge=1)

    # Webhooks: networks that are let in beside public addresses (10.0.0.0/8, several with commas), how long a receiver may
    # take, how often a message is tried and how long after the first failure, when a receiver that fails is given up, and how
    # long deliveries are kept.
    webhook_networks: str = ""
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60)
    webhook_attempts: int = Field(default=8, ge=1, le=50)
    webhook_backoff_s: float = Field(default=5.0, gt=0, le=3600)
    webhook_disable_days: int = Field(default=5, ge=1)
    webhook_ttl_days: int = Field(default=7, ge=1)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    rate_limit: str = "100000/minute"
    idempotency_ttl_h: int = Field(default=24, ge=1)
    trace_ttl_days: int = Field(default=30, ge=1)
    job_ttl_days: int = Field(default=30, ge=1)

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """Make the folder independent of where later processes are started."""
        return value.expanduser().absolute()

    @field_validator("kv_dir")
    @classmethod
    def _absolute_too(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("kv_url")
    @classmethod
    def _s3(cls, value: str) -> str:
        """Refuse stores of another kind."""
        if value and not value.startswith("s3://"):
            # The value stays out of the sentence: it may hold a password.
            raise ValueError("a store that speaks S3 is needed; write it as s3://bucket/prefix")
        return value

    @field_validator("broker_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        """Refuse brokers of another kind."""
        if value and not value.startswith(BROKER_SCHEMES):
            # The value stays out of the sentence: it may hold a password.
            raise ValueError(f"a Redis or Valkey server is needed; write it as {', '.join(BROKER_SCHEMES)}…")
        return value

    @field_validator("llm_base_url", "upstream_url")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        """Refuse what is no address."""
        if value and not value.startswith(("http://", "https://")):
            # The value stays out of the sentence: it may hold a password.
            raise ValueError("an OpenAI-compatible endpoint is needed; write it as https://…/v1")
        return value

    @field_validator("llm_model")
    @classmethod
    def _model(cls, value: str, info: ValidationInfo) -> str:
        """Refuse an endpoint without a model: every record says which one made it."""
        if info.data.get("llm_base_url") and not value:
            raise ValueError("LLM_BASE_URL names an endpoint, so name the model that is to be asked there")
        return value

    @field_validator("kv_models")
    @classmethod
    def _models(cls, value: str) -> str:
        """Refuse what names no model, or one twice."""
        named = [part.partition("=") for part in value.split(",")] if value else []
        if any(not name.strip() or not place.strip() for name, _, place in named):
            raise ValueError("write it as name=folder, several with commas between them")
        if len({name.strip() for name, _, _ in named}) < len(named):
            raise ValueError("a model is named twice")
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        """Refuse what are no networks."""
        try:
            read_networks(value)
        except ValueError:
            raise ValueError("write it as 10.0.0.0/8,fd00::/8") from None
        return value

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, value: str) -> str:
        """Refuse what cannot be read as a rate."""
        from limits import parse

        try:
            parse(value)
        except ValueError:
            raise ValueError("write it as 600/minute or 100000/hour") from None
        return value

    @property
    def model_places(self) -> dict[str, str]:
        """Where the models lie that prompts are planned for, by name."""
        named = (part.partition("=") for part in self.kv_models.split(",") if part)
        return {name.strip(): place.strip() for name, _, place in named}

    @property
    def key_file(self) -> Path:
        """Where the first API key lies."""
        return self.data_dir / "api-key"

    @property
    def kv_folder(self) -> Path:
        """Where blobs of KV memories lie, unless a store elsewhere is configured."""
        return self.kv_dir or self.data_dir / "kv"

    @property
    def credentials_file(self) -> Path:
        """Where the passwords of the database roles lie."""
        return self.data_dir / "credentials.json"


def unusable_settings(error: ValidationError) -> list[str]:
    """Return a sentence for every setting that cannot be used; values of URLs are left out, they hold passwords."""
    sentences = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        # A value that was set is named as in the environment, a default as the field.
        field = Settings.model_fields.get(name)
        name = str(field.validation_alias) if field is not None and field.validation_alias else name
        name = name if name.isupper() else f"MEMORY_SERVICE_{name.upper()}"
        said = str(problem["msg"]).removeprefix("Value error, ").removesuffix(".")
        value = "is set" if name.endswith("_URL") else f"is {problem['input']!r}"
        sentences.append(f"{name} {value}: {said[:1].lower() if said[1:2].islower() else said[:1]}{said[1:]}.")
    return sentences


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process."""
    return Settings()
