"""Policies for key–value caches on a model that recalls: what they keep, and what it can still be asked.

Two ways to use one cache, as SCBench (Li et al. 2024) asks for. *Asked first*: the first question is known when the cache is
compressed; then the same cache is asked seven more, in one conversation. *Not asked*: nothing is known, as when a memory is
stored, and each question comes in a request of its own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.kv_recall import LESSONS, QUESTION, Text, make_text
from memory_service.activation import int8
from memory_service.activation.compressing import compress
from memory_service.activation.key_values import KeyValues
from memory_service.activation.policies.gates import Gate, features, fit
from memory_service.activation.policies.heads import HeadProfile, retrieval_scores
from memory_service.activation.policies.keep import Policy
from memory_service.activation.policies.sentences import SentenceKV
from memory_service.activation.policies.statistics import Budget, Floats, Statistics
from memory_service.activation.rope import move, rope_of
from memory_service.activation.transformer.running import Choose, Past, past_of, past_of_compressed, run

OBSERVED: Final = 8
QUESTIONS: Final = 8
_LOOKED: Final = 0.1
"""From what attention on a token counts as needed, when a gate is fitted."""
LESSON: Final = replace(LESSONS[-1], questions=QUESTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A text with what was observed of it, with and without its first question."""

    text: Text
    unasked: Statistics
    asked: Statistics


@dataclass(frozen=True, slots=True)
class Score:
    """What a policy left of one cache, and which questions it still answered: [asked first], [not asked]."""

    first: float
    later: float
    unasked: float
    bytes: int
    whole_bytes: int
    first_token_s: float
    prefill_s: float


def make_case(model: Any, text: Text, gate: Gate | None = None) -> Case:
    """Return a text with its statistics."""
    tokens = text.tokens.tolist()
    ran = run(model, [tokens], observed=OBSERVED)
    chances = ran.logits[0, :-1].log_softmax(dim=-1).gather(1, torch.from_numpy(text.tokens[1:, None]))[:, 0]
    surprisal = np.concatenate([[0.0], -chances.numpy()]).astype(np.float32)
    unasked = Statistics(
        ran.cache,
        attention=ran.attention,
        queries=ran.queries,
        surprisal=surprisal,
        turns=np.zeros(len(tokens), np.int64),
        sentences=text.sentences,
        retention=gate.retention(ran.cache) if gate else None,
    )
    with_question = run(model, [[*tokens, *text.questions[0, :2].tolist()]], observed=OBSERVED)
    asked = replace(unasked, attention=with_question.attention[..., : len(tokens)], queries=with_question.queries)
    return Case(text, unasked, asked)


def fit_gate(model: Any, texts: Sequence[Text]) -> tuple[Gate, HeadProfile, NDArray[np.int64]]:
    """Return a gate and a profile of heads, from texts that are used for nothing else, and where heads look.

    That is int64[layer, head, question]: how far behind the answer stands what a head looks at most when the key asks.
    """
    rope = rope_of(model.config.to_dict())
    rows: list[Floats] = []
    needed: list[NDArray[np.bool_]] = []
    profiles, looked_at = [], []
    for text in texts:
        context = run(model, [text.tokens.tolist()]).cache
        asked = run(
            model,
            [text.questions.ravel().tolist()],
            past=past_of(context),
            start=context.tokens,
            observed=QUESTION * QUESTIONS,
        )
        attention = asked.attention[:, :, 1::QUESTION, : context.tokens]  # where keys ask
        profiles.append(retrieval_scores(attention, text.sentences == text.sentences[text.sources][:, None]))
        looked_at.append(attention.argmax(axis=3) - text.sources)
        rows.append(features(context, rope))
        needed.append(attention.max(axis=2) > _LOOKED)
    layers, heads = rows[0].shape[:2]
    weights = np.stack(
        [
            np.stack(
                [
                    fit(
                        np.concatenate([one[at, head] for one in rows]),
                        np.concatenate([one[at, head] for one in needed]),
                    )
                    for head in range(heads)
                ]
            )
            for at in range(layers)
        ]
    )
    profile = np.mean(profiles, axis=0)
    found = HeadProfile(tuple(tuple(float(one) for one in layer) for layer in profile))
    return Gate(weights, rope), found, np.concatenate(looked_at, axis=2)


def try_policy(model: Any, case: Case, policy: Policy, budget: Budget) -> Score:
    """Return what is left of a case's cache under a policy, and what it is worth."""
    if isinstance(policy, SentenceKV):
        return _try_loading(model, case, policy, budget)
    left = compress(case.unasked.cache, policy.plan(case.unasked, budget))
    guided = compress(case.asked.cache, policy.plan(case.asked, budget))
    scored = score(model, case, past_of_compressed(guided), past_of_compressed(left))
    return replace(scored, bytes=left.bytes_in_bfloat16())


def score(
    model: Any, case: Case, asked: Sequence[Past], unasked: Sequence[Past], choose: Choose | None = None
) -> Score:
    """Return which questions two caches of a case answer: one made with the first question known, one without."""
    text, start = case.text, len(case.text.tokens)
    talk = run(model, [text.questions.ravel()[:-1].tolist()], past=asked, start=start, choose=choose).logits
    in_turn = talk[0, 1::QUESTION].argmax(-1).numpy() == text.questions[:, 2]
    alone = run(model, text.questions[:, :2].tolist(), past=unasked, start=start, choose=choose).logits
    each = alone[:, -1].argmax(-1).numpy() == text.questions[:, 2]
    question = text.questions[0, :2].tolist()
    whole = case.unasked.cache.bytes_in_bfloat16()
    return Score(
        float(in_turn[0]),
        float(in_turn[1:].mean()),
        float(each.mean()),
        whole,
        whole,
        timed(lambda: run(model, [question], past=unasked, start=start, choose=choose)),
        timed(lambda: run(model, [[*text.tokens.tolist(), *question]])),
    )


def _try_loading(model: Any, case: Case, policy: SentenceKV, budget: Budget) -> Score:
    """Return the same for a policy that evicts nothing and chooses at every token what to load."""
    cache = case.unasked.cache
    single = [
        KeyValues(cache.keys[at : at + 1], cache.values[at : at + 1], cache.positions) for at in range(cache.layers)
    ]

    def choose(layer: int, queries: Floats) -> NDArray[np.bool_]:
        batch, heads, _, new, _ = queries.shape
        visible = np.zeros((batch, heads, new, cache.tokens), np.bool_)
        for text, token in np.ndindex(batch, new):
            stats = Statistics(single[layer], queries=queries[None, text, :, :, token], sentences=case.text.sentences)
            visible[text, :, token] = policy.plan(stats, budget).entries[0]
        return visible

    past = past_of(cache)
    return score(model, case, past, past, choose)


def try_int8(model: Any, case: Case) -> Score:
    """Return what a cache in eight bits is worth."""
    coded = int8.encode(case.unasked.cache)
    past = past_of(int8.decode(coded))
    return replace(score(model, case, past, past), bytes=coded.packed_bytes())


def try_shifted(model: Any, case: Case) -> Score:
    """Return what a cache is worth of which the second half was made by itself and moved behind the first."""
    tokens = case.text.tokens.tolist()
    cut = int(np.flatnonzero(case.text.sentences == case.text.sentences[len(tokens) // 2])[0])
    first = run(model, [tokens[:cut]]).cache
    second = move(run(model, [tokens[cut:]]).cache, cut, rope_of(model.config.to_dict()))
    past = past_of(
        KeyValues(
            np.concatenate([first.keys, second.keys], axis=2),
            np.concatenate([first.values, second.values], axis=2),
            np.concatenate([first.positions, second.positions]),
        )
    )
    return score(model, case, past, past)


def output_errors(cache: KeyValues, queries: Floats) -> list[float]:
    """Return for each layer ‖attention with codes − attention‖ / ‖attention‖ over queries, float32[layer, head, query, dim]."""
    coded = int8.decode(int8.encode(cache))
    errors = []
    for layer in range(cache.layers):
        whole, rough = (_attended(one.keys[layer], one.values[layer], queries[layer]) for one in (cache, coded))
        errors.append(float(np.linalg.norm(rough - whole) / np.linalg.norm(whole)))
    return errors


def _attended(keys: Floats, values: Floats, queries: Floats) -> NDArray[np.float64]:
    logits = queries.astype(np.float64) @ keys.swapaxes(-1, -2) / np.sqrt(keys.shape[-1])
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    outputs: NDArray[np.float64] = (weights / weights.sum(axis=-1, keepdims=True)) @ values
    return outputs


def make_texts(seed: int, count: int) -> list[Text]:
    """Return texts of the last lesson, each with questions that are all different."""
    rng = np.random.default_rng(seed)
    return [make_text(rng, LESSON, again=False) for _ in range(count)]


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one run: others use the machine, too."""
    began = time.process_time()
    work()
    return time.process_time() - began
