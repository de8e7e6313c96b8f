"""What the running engine is: its fingerprint and layout, taken from vLLM's configuration.

Everything here reads vLLM. Where a block would not be whole in one worker, or mean something else, the engine does not start.
"""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_vllm.chain import canonical
from memory_vllm.errors import Unsupported
from memory_vllm.fingerprint import Fingerprint, Parallelism, config_digest
from memory_vllm.layout import Layout, numpy_of
from memory_vllm.model_folder import cache_file, chat_template_digest, file_digest, read_object, weights_digest


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """What this engine is.

    Attributes:
        fingerprint: of it
        digest: the fingerprint's
        layout: of its blocks
        model: the name under which it serves its model
        layer_names: of the layers with keys and values, in vLLM's words, from the first on
    """

    fingerprint: Fingerprint
    digest: str
    layout: Layout
    model: str
    layer_names: tuple[str, ...]


def running_engine(config: Any, kv_cache_config: Any) -> RunningEngine:
    """Return what an engine is that runs with this configuration.

    Raises:
        Unsupported: blocks of such an engine are not kept; the sentence says why.
    """
    _check(config, kv_cache_config)
    group = kv_cache_config.kv_cache_groups[0]
    layer_names = tuple(sorted(group.layer_names, key=_number))
    layout, isa = _layout(config, group.kv_cache_spec, len(layer_names))
    model, folder = config.model_config, model_folder(config.model_config.model, config.model_config.revision)
    tokenizer = model_folder(model.tokenizer, model.tokenizer_revision)
    fingerprint = Fingerprint(
        weights=weights_digest(folder, kept=cache_file()),
        config=_config_digest(model, folder),
        tokenizer=file_digest(tokenizer / "tokenizer.json"),
        chat_template=chat_template_digest(tokenizer),
        dtype=_dtype(model.dtype) + (f"+{model.quantization}" if model.quantization else ""),
        kv_dtype=layout.dtype if config.cache_config.cache_dtype == "auto" else str(config.cache_config.cache_dtype),
        block_size=layout.block,
        parallelism=Parallelism(),
        isa=isa,
        layout=str(layout),
        engine="vllm",
        engine_version=_version(),
    )
    name = model.served_model_name
    return RunningEngine(
        fingerprint, fingerprint.digest(), layout, name[0] if isinstance(name, list) else str(name), layer_names
    )


def model_folder(model: str, revision: str | None) -> Path:
    """Return the folder of a model's files, which vLLM has fetched by now.

    Raises:
        Unsupported: it is not on this machine.
    """
    if (folder := Path(model)).is_dir():
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except (OSError, ValueError) as error:
        raise Unsupported("the model's files are not found on this machine") from error


def _check(config: Any, kv_cache_config: Any) -> None:
    parallel = config.parallel_config
    degrees = [
        getattr(parallel, name, 1)
        for name in (
            "tensor_parallel_size",
            "pipeline_parallel_size",
            "decode_context_parallel_size",
            "prefill_context_parallel_size",
        )
    ]
    if any(degree != 1 for degree in degrees):
        raise Unsupported("a model split over several workers is not supported: each would hold a part of a block")
    if len(kv_cache_config.kv_cache_groups) != 1:
        raise Unsupported(
            "models with several kinds of attention are not supported: their blocks are not of one prefix"
        )
    spec = kv_cache_config.kv_cache_groups[0].kv_cache_spec
    if type(spec).__name__ != "FullAttentionSpec" or getattr(spec, "sliding_window", None):
        raise Unsupported(f"blocks of {type(spec).__name__} are not supported, only those of full attention")
    if config.load_config.load_format == "dummy":
        raise Unsupported("dummy weights are in no file, so that nothing names them")
    if config.speculative_config is not None:
        raise Unsupported("speculative decoding is not supported: the draft model's blocks are not kept")
    transfer = config.kv_transfer_config
    if transfer.kv_load_failure_policy != "recompute":
        raise Unsupported('set "kv_load_failure_policy": "recompute", or a block that is gone fails its request')
    if not config.cache_config.enable_prefix_caching:
        raise Unsupported("prefix caching is switched off, which blocks that are loaded need")


def _layout(config: Any, spec: Any, layers: int) -> tuple[Layout, str]:
    """Return the layout of a block, and the kind of machine that fills it."""
    from vllm.platforms import current_platform

    dtype = _dtype(spec.dtype)
    try:
        numpy_of(dtype)
    except KeyError as error:
        raise Unsupported(f"keys and values in {dtype} are not supported") from error
    if spec.head_size != spec.head_size_v:
        raise Unsupported("keys and values of different sizes are not supported")
    if current_platform.is_cpu():
        import torch
        from vllm.v1.attention.backends.cpu_attn import _get_attn_isa

        isa = _get_attn_isa(config.model_config.dtype, spec.block_size, spec.head_size, config.cache_config.cache_dtype)
        kind = f"cpu-{isa}"
        machine = f"{platform.machine()}-{isa}-{torch.backends.cpu.get_cpu_capability()}".lower()
    else:
        backend = config.attention_config.backend
        kind = f"{current_platform.device_type}-{getattr(backend, 'name', backend) or 'default'}"
        capability = current_platform.get_device_capability()
        machine = f"{current_platform.device_type}-{capability.as_version_str() if capability else 'any'}"
    layout = Layout(kind, layers, spec.num_kv_heads, spec.block_size, spec.head_size, 2 * spec.head_size, dtype)
    return layout, machine


def _config_digest(model: Any, folder: Path) -> str:
    said = read_object(folder / "config.json")
    if not said:
        raise Unsupported("the model's folder has no config.json")
    if not model.hf_overrides:
        return config_digest(said)
    if callable(model.hf_overrides):
        raise Unsupported("a function that overrides the model's configuration has no digest")
    # What a cache depends on is what the model runs with, not what its file says.
    return config_digest(said | {"hf_overrides": canonical(model.hf_overrides).decode()})


def _dtype(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _number(layer_name: str) -> int:
    from vllm.model_executor.models.utils import extract_layer_index

    return int(extract_layer_index(layer_name))


def _version() -> str:
    import vllm

    return str(vllm.__version__)
