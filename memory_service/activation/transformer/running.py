"""A Llama or Qwen2 run layer by layer, over caches of which every head keeps its own part.

The library's own caches hold the same tokens in every head. This runs the same modules with a cache of its own: each head has
its entries and a bias for each of them. It also shows queries and attention, which policies decide by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memory_service.activation.compressing import Compressed
from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import KeyValues
from memory_service.activation.policies.statistics import Floats

Choose = Callable[[int, Floats], NDArray[np.bool_]]
"""Which entries of the past queries may see, bool[batch, head, token, entry], given the layer and the queries.

Queries are float32[batch, head, shared, token, dim].
"""


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What one layer saw before: keys and values [head, entry, dim], and a bias [head, entry], −∞ for none."""

    keys: torch.Tensor
    values: torch.Tensor
    bias: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run gave.

    Attributes:
        logits: [batch, token, vocabulary]
        cache: keys and values of the new tokens of the first text
        queries: float32[layer, head, query, dim] of the last `observed` tokens of the first text, heads that share one together
        attention: float32[layer, head, query, entry] of the same, over past and new tokens, their mean
    """

    logits: torch.Tensor
    cache: KeyValues
    queries: Floats
    attention: Floats


def past_of(cache: KeyValues) -> list[Past]:
    """Return a whole cache, layer by layer."""
    none = torch.zeros(cache.heads, cache.tokens)
    return [Past(torch.tensor(cache.keys[at]), torch.tensor(cache.values[at]), none) for at in range(cache.layers)]


def past_of_compressed(cache: Compressed) -> list[Past]:
    """Return what a plan left, padded to the longest head of each layer."""
    layers = []
    for heads in cache.entries:
        longest = max(len(one.positions) for one in heads)
        dim = heads[0].values.shape[1]
        keys, values = torch.zeros(len(heads), longest, dim), torch.zeros(len(heads), longest, dim)
        bias = torch.full((len(heads), longest), -torch.inf)
        for at, one in enumerate(heads):
            count = len(one.positions)
            keys[at, :count] = torch.from_numpy(one.keys)
            values[at, :count] = torch.from_numpy(one.values)
            bias[at, :count] = torch.from_numpy(one.bias)
        layers.append(Past(keys, values, bias))
    return layers


@torch.inference_mode()
def run(
    model: Any,
    token_ids: Sequence[Sequence[int]],
    *,
    past: Sequence[Past] = (),
    start: int = 0,
    observed: int = 0,
    choose: Choose | None = None,
) -> Run:
    """Return what a model says to texts of one length that continue one past.

    Args:
        model: a LlamaForCausalLM or Qwen2ForCausalLM in float32, in evaluation mode
        token_ids: texts
        past: what each layer saw before, or nothing
        start: the position of the first new token
        observed: of how many of the last tokens to return queries and attention
        choose: which entries of the past queries may see; all where it is None

    Raises:
        BadTensor: there is no token, or the past has another number of layers.
    """
    ids = torch.tensor([list(one) for one in token_ids])
    if ids.ndim != 2 or not ids.numel():
        raise BadTensor("a run needs tokens, the same number in each text")
    batch, new = ids.shape
    layers = model.model.layers
    if past and len(past) != len(layers):
        raise BadTensor(f"the past has {len(past)} layers, the model {len(layers)}")
    hidden = model.model.embed_tokens(ids)
    positions = torch.arange(start, start + new)[None]
    cosine, sine = model.model.rotary_emb(hidden, positions)
    causal = torch.full((new, new), -torch.inf).triu(1)
    seen = min(observed, new)
    keys_made, values_made, queries_seen, attention_seen = [], [], [], []
    for at, layer in enumerate(layers):
        part = layer.self_attn
        shape = (batch, new, -1, part.head_dim)
        normed = layer.input_layernorm(hidden)
        queries = _turned(part.q_proj(normed).view(shape).transpose(1, 2), cosine, sine)
        keys = _turned(part.k_proj(normed).view(shape).transpose(1, 2), cosine, sine)
        values = part.v_proj(normed).view(shape).transpose(1, 2)
        heads = keys.shape[1]
        grouped = queries.view(batch, heads, -1, new, part.head_dim)
        keys_made.append(keys[0])
        values_made.append(values[0])
        bias = causal.expand(batch, heads, new, new)
        if past:
            before = past[at].bias[None, :, None, :].expand(batch, -1, new, -1)
            if choose is not None:
                visible = torch.from_numpy(np.array(choose(at, grouped.numpy())))
                before = before.masked_fill(~visible, -torch.inf)
            bias = torch.cat([before, bias], dim=3)
            keys = torch.cat([past[at].keys.expand(batch, -1, -1, -1), keys], dim=2)
            values = torch.cat([past[at].values.expand(batch, -1, -1, -1), values], dim=2)
        logits = grouped @ keys[:, :, None].transpose(-1, -2) * part.scaling + bias[:, :, None]
        weights = logits.softmax(dim=-1)
        mixed = (weights @ values[:, :, None]).view(batch, -1, new, part.head_dim)
        if seen:
            attention_seen.append(weights[0, :, :, new - seen :].mean(dim=1))
            queries_seen.append(grouped[0, :, :, new - seen :].reshape(heads, -1, part.head_dim))
        hidden = hidden + part.o_proj(mixed.transpose(1, 2).reshape(batch, new, -1))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    entries = attention_seen[0].shape[-1] if seen else 0
    none = np.zeros((len(layers), keys_made[0].shape[0], 0, entries), np.float32)
    return Run(
        model.lm_head(model.model.norm(hidden)),
        KeyValues(
            torch.stack(keys_made).numpy(),
            torch.stack(values_made).numpy(),
            np.arange(start, start + new, dtype=np.int64),
        ),
        torch.stack(queries_seen).numpy() if seen else none,
        torch.stack(attention_seen).numpy() if seen else none,
    )


def _turned(vectors: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Return vectors at their positions; channels i and i + half turn together."""
    left, right = vectors.chunk(2, dim=-1)
    return vectors * cosine[:, None] + torch.cat([-right, left], dim=-1) * sine[:, None]
