"""Answers which tokens a press keeps; runs in the environment of kvpress: `python -m benchmarks.kvpress.worker`.

A press is asked as it is in a forward pass, layer by layer, with the keys, values and attention of a cache that another process
made. What it keeps is read off its own scores and the number of tokens that it left.
"""

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import kvpress
import numpy as np
import torch

from benchmarks.kvpress.framing import receive, send


def keep(request: dict[str, Any]) -> "np.ndarray[Any, Any]":
    """Return bool[layer, head, token]: what a press keeps of a cache.

    Raises:
        ValueError: there is no such press, or it does not score tokens.
        AssertionError: the press does not take a cache of this size.
    """
    said = json.loads(str(request["said"]))
    made = getattr(kvpress, said["press"], None)
    if not (isinstance(made, type) and issubclass(made, kvpress.ScorerPress)):
        raise ValueError(f"kvpress has no {said['press']!r} that scores tokens")
    press = made(compression_ratio=said["ratio"], **said["settings"])
    keys, values = torch.from_numpy(request["keys"]), torch.from_numpy(request["values"])
    attention = torch.from_numpy(request["attention"]) if "attention" in request else None
    layers, heads, tokens, dim = keys.shape
    kept = np.zeros((layers, heads, tokens), np.bool_)
    # The mean of a group's heads of queries stands for each of them, so that a group has one.
    config = SimpleNamespace(num_attention_heads=heads, num_key_value_heads=heads, num_hidden_layers=layers)
    hidden = torch.zeros(1, tokens, 1)
    for layer in range(layers):
        scores: list[Any] = []
        scored = press.score

        def score(*arguments: Any, scored: Any = scored, scores: Any = scores, **named: Any) -> Any:
            scores.append(scored(*arguments, **named))
            return scores[-1]

        press.score = score
        module = SimpleNamespace(config=config, head_dim=dim, layer_idx=layer)
        seen = None if attention is None else attention[None, layer]
        left, _ = press.compress(module, hidden, keys[None, layer], values[None, layer], seen, {})
        press.score = scored
        # A press that keeps all does not score.
        chosen = scores[0].topk(left.shape[2], dim=-1).indices[0] if scores else torch.arange(tokens).expand(heads, -1)
        np.put_along_axis(kept[layer], chosen.numpy(), True, axis=1)
    return kept


def main() -> None:
    """Answer requests until there are none."""
    # What libraries print may not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    torch.set_num_threads(1)
    while (request := receive(sys.stdin.buffer)) is not None:
        try:
            with torch.inference_mode():
                send(answers, {"entries": keep(request)})
        except (ValueError, TypeError, AssertionError, RuntimeError) as error:
            send(answers, {"error": np.array(f"{type(error).__name__}: {error}")})


if __name__ == "__main__":
    main()
