"""From a model's cache to plain tensors, and back: precompute, store, load, without vLLM."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import KeyValues


def from_dynamic(cache: DynamicCache, start: int = 0) -> KeyValues:
    """Return a cache of one text as plain tensors; its first token stands at `start`.

    Raises:
        BadTensor: it holds no layer or several texts, or its layers differ in shape.
    """
    layers: list[tuple[torch.Tensor, torch.Tensor]] = []
    for layer in cache.layers:
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if keys is None or values is None:
            raise BadTensor("a cache to be kept has keys and values in every layer")
        layers.append((keys, values))
    if not layers or any(keys.shape[0] != 1 or keys.shape != layers[0][0].shape for keys, _ in layers):
        raise BadTensor("a cache to be kept is one text in layers of one shape")
    of_keys, of_values = (torch.cat([pair[at] for pair in layers]).detach().to("cpu", torch.float32) for at in (0, 1))
    positions = np.arange(start, start + of_keys.shape[2], dtype=np.int64)
    return KeyValues(of_keys.numpy(), of_values.numpy(), positions)


def to_dynamic(cache: KeyValues, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> DynamicCache:
    """Return plain tensors as a cache that a model goes on from.

    The model takes the number of tokens for the next position, so the cache has to begin at 0 and leave none out.

    Raises:
        BadTensor: it begins elsewhere or has gaps. Move it first, or give the model its positions yourself.
    """
    if not np.array_equal(cache.positions, np.arange(cache.tokens)):
        raise BadTensor("a DynamicCache holds the positions from 0 on without a gap")
    made = DynamicCache()
    for layer in range(cache.layers):
        keys, values = (
            torch.tensor(part[layer][None], dtype=dtype, device=device) for part in (cache.keys, cache.values)
        )
        made.update(keys, values, layer)
    return made


@torch.inference_mode()
def precompute(model: Any, token_ids: Sequence[int]) -> KeyValues:
    """Return the keys and values of a text, as the model would cache them at the beginning of a prompt.

    Raises:
        BadTensor: there is no token.
    """
    if not token_ids:
        raise BadTensor("a cache needs a token")
    cache = DynamicCache()
    model(input_ids=torch.tensor([list(token_ids)], device=model.device), past_key_values=cache, use_cache=True)
    return from_dynamic(cache)
