"""A model of the transformers library, opened to compute blocks ahead, for itself or for another engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from memory_service.activation.engine_layout import plain_layout
from memory_service.activation.errors import ActivationError, BadTensor
from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.activation.key_values import KeyValues
from memory_service.activation.model_folder import folder_config_digest, text_digests, weights_digest
from memory_service.activation.packing import Codec
from memory_service.activation.transformer.caches import from_dynamic

TOKENS_AT_ONCE: Final = 512
"""Attention within a piece takes memory by the square of its tokens."""
_TYPES: Final = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def open_model(folder: Path, dtype: str) -> Any:
    """Return a model in evaluation mode, from a folder of this machine and nowhere else. Nothing in the folder is run.

    Raises:
        ActivationError: numbers of this type are not computed with, or the folder holds no model.
    """
    if dtype not in _TYPES:
        raise ActivationError(f"models are not run here in {dtype[:40]}")
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=_TYPES[dtype], local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise ActivationError(f"the folder holds no model that can be run ({type(error).__name__})") from error
    return model.eval()


@torch.inference_mode()
def compute(model: Any, token_ids: Sequence[int]) -> KeyValues:
    """Return the keys and values of a text at the beginning of a prompt, computed piece by piece.

    Raises:
        BadTensor: there is no token.
    """
    if not token_ids:
        raise BadTensor("a cache needs a token")
    cache = DynamicCache()
    ids = torch.tensor([list(token_ids)], device=model.device)
    for start in range(0, ids.shape[1], TOKENS_AT_ONCE):
        # Without the head: logits of a whole vocabulary for every token would take more memory than the cache.
        model.base_model(input_ids=ids[:, start : start + TOKENS_AT_ONCE], past_key_values=cache, use_cache=True)
    return from_dynamic(cache)


def fingerprint_of_folder(folder: Path, *, dtype: str, block_size: int) -> Fingerprint:
    """Return the fingerprint of a model that is run here by transformers itself, to be announced as an engine.

    Raises:
        ActivationError: the folder lacks weights, configuration or tokenizer, or the type is none.
    """
    texts = text_digests(folder)
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    layout = plain_layout(layers=config.num_hidden_layers, heads=heads, block=block_size, dim=dim, codec=Codec(dtype))
    return Fingerprint(
        weights=weights_digest(folder),
        config=folder_config_digest(folder),
        tokenizer=texts.tokenizer,
        chat_template=texts.chat_template,
        dtype=dtype,
        kv_dtype=dtype,
        block_size=block_size,
        parallelism=Parallelism(),
        isa="any",
        layout=layout,
        engine="transformers",
        engine_version=str(transformers.__version__),
    )
