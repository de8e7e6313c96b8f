"""What kvpress itself leaves of a cache, in its environment: `python reference.py MODEL REQUEST.json ANSWER.json`.

The press is used as its authors mean it, as a context around the model's forward pass; what stayed is read off the keys.
"""

import json
import sys

import kvpress
import torch
from transformers import DynamicCache, LlamaForCausalLM


def main(folder: str, request: str, answer: str) -> None:
    """Write, for each press that is asked for, which tokens it keeps: [layer][head] lists of positions."""
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with open(request, encoding="utf-8") as file:
        asked = json.load(file)
    ids = torch.tensor([asked["tokens"]])
    whole = keys_of(model, ids)
    found = {}
    for name, (press, settings) in asked["presses"].items():
        made = getattr(kvpress, press)(compression_ratio=asked["ratio"], **settings)
        with made(model):
            left = keys_of(model, ids)
        found[name] = [
            [
                torch.cdist(after, before).argmin(dim=1).sort().values.tolist()
                for after, before in zip(*heads, strict=True)
            ]
            for heads in zip(left, whole, strict=True)
        ]
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)


@torch.inference_mode()
def keys_of(model: LlamaForCausalLM, ids: torch.Tensor) -> "list[torch.Tensor]":
    """Return the keys of each layer after a forward pass."""
    cache = DynamicCache()
    model(ids, past_key_values=cache, cache_position=torch.arange(ids.shape[1]))
    return [layer.keys[0] for layer in cache.layers]


if __name__ == "__main__":
    main(*sys.argv[1:])
