"""A small transformer that has to recall, trained from scratch: what policies for key–value caches are tried on.

A context is a number of facts, each a key, its value and a full stop, in between phrases that come again and again, as
boilerplate does. Then come questions: a question mark and a key, and the model has to say the value. Random weights would
attend to nothing in particular, and any policy would do as well as any other.

Training is two lessons: texts said twice, of random length, from which the model learns to look for what followed the last
time; then contexts with questions, short ones first. Beside them the first layer is asked for the token before each, by a head
of its own that is thrown away: finding what followed something begins with knowing what one follows, and a minute of one
processor is too short to wait until a model finds that out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaConfig, LlamaForCausalLM

BEGIN, STOP, ASK = 0, 1, 2
KINDS: Final = 40
FIRST_KEY: Final = 3
FIRST_VALUE: Final = FIRST_KEY + KINDS
FIRST_WORD: Final = FIRST_VALUE + KINDS
VOCABULARY: Final = FIRST_WORD + KINDS
PHRASES: Final = 4
PHRASE_WORDS: Final = 5
QUESTION: Final = 3  # tokens: the mark, the key, the value

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Contexts of one size: how many facts, tokens and questions."""

    facts: int
    context: int
    questions: int


LESSONS: Final = (Lesson(2, 7, 6), Lesson(4, 13, 10), Lesson(8, 40, 16), Lesson(16, 112, 24), Lesson(32, 256, 32))
"""From short to long; the last is what policies are tried on: 96 of its 256 tokens belong to facts."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A context with what can be asked of it.

    Attributes:
        tokens: int64[context]
        sentences: int64[context], which sentence a token belongs to
        questions: int64[question, 3]: mark, key and value
        sources: int64[question], where in the context the value stands
    """

    tokens: Ids
    sentences: Ids
    questions: Ids
    sources: Ids


def make_text(rng: np.random.Generator, lesson: Lesson, *, again: bool = True) -> Text:
    """Return a text of a lesson; with `again` a fact may be asked for twice, so that nothing follows from what was asked."""
    keys = FIRST_KEY + rng.permutation(KINDS)[: lesson.facts]
    values = FIRST_VALUE + rng.integers(0, KINDS, lesson.facts)
    phrases = FIRST_WORD + rng.integers(0, KINDS, (PHRASES, PHRASE_WORDS))
    sentences = [[int(key), int(value), STOP] for key, value in zip(keys, values, strict=True)]
    room = lesson.context - 1 - 3 * lesson.facts
    while room > 0:
        words = phrases[rng.integers(PHRASES)].tolist()
        sentences.append([*words, STOP][-min(room, PHRASE_WORDS + 1) :])
        room -= len(sentences[-1])
    order = rng.permutation(len(sentences))
    starts = np.cumsum([1, *(len(sentences[at]) for at in order)])
    where = {int(at): int(start) for at, start in zip(order, starts[:-1], strict=True)}
    chosen = (
        rng.integers(0, lesson.facts, lesson.questions) if again else rng.permutation(lesson.facts)[: lesson.questions]
    )
    return Text(
        np.array([BEGIN, *(token for at in order for token in sentences[at])]),
        np.array([0, *(number for number, at in enumerate(order) for _ in sentences[at])]),
        np.stack([np.full(len(chosen), ASK), keys[chosen], values[chosen]], axis=1),
        np.array([where[int(at)] + 1 for at in chosen]),
    )


def new_model(seed: int, layers: int = 2) -> Any:
    """Return a Llama of two layers, four heads of queries, two of keys and values, 32 channels each."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        initializer_range=0.05,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=0.15)  # long enough that a copied token can win
    return model


@dataclass(frozen=True, slots=True)
class Training:
    """What a training took and gave."""

    steps: int
    cpu_s: float
    accuracy: float


def train(
    model: Any, seed: int, *, most_cpu_s: float, enough: float = 0.99, say: Callable[[str], None] = lambda _: None
) -> Training:
    """Train until the longest lesson is answered right so often, or the time is up."""
    rng = np.random.default_rng(seed)
    before = torch.nn.Linear(model.config.hidden_size, VOCABULARY, bias=False)
    learned = [*model.parameters(), *before.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.01)
    began, right, stage, step = time.process_time(), 0.0, 0, 0
    model.train()
    while (spent := time.process_time() - began) < most_cpu_s:
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, step / 50)
        again = step % 2 == 0
        tokens, asked = repeated(rng) if again else lesson_batch(rng, LESSONS[stage])
        ran = model.model(input_ids=tokens, output_hidden_states=True)
        logits = model.lm_head(ran.last_hidden_state[:, :-1])
        wanted = tokens[:, 1:]
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        told = asked[:, 1:].flatten()
        loss = losses[told].mean() + (0 if again else 0.2 * losses[~told].mean())
        told_before = before(ran.hidden_states[1][:, 1:]).flatten(0, 1)
        loss = loss + 0.5 * torch.nn.functional.cross_entropy(told_before, tokens[:, :-1].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        now = (logits.argmax(-1).flatten() == wanted.flatten())[told].float().mean().item()
        if not again:
            right = 0.95 * right + 0.05 * now
        if step % 50 == 0:
            say(f"step {step}, lesson {stage}, {spent:.0f} s CPU: {right:.3f} right, loss {loss.item():.3f}")
        if stage < len(LESSONS) - 1 and right > 0.9:
            stage, right = stage + 1, 0.0
        elif stage == len(LESSONS) - 1 and right > enough:
            break
    model.eval()
    return Training(step, time.process_time() - began, right if stage == len(LESSONS) - 1 else 0.0)


def repeated(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random texts said twice, and which of their tokens follow from what was said."""
    length = int(rng.integers(3, 13))
    once = rng.integers(BEGIN, VOCABULARY, (2048 // (2 * length), length))
    asked = np.zeros((len(once), 2 * length), np.bool_)
    asked[:, length + 1 :] = True
    return torch.from_numpy(np.concatenate([once, once], axis=1)), torch.from_numpy(asked)


def lesson_batch(rng: np.random.Generator, lesson: Lesson) -> tuple[torch.Tensor, torch.Tensor]:
    """Return contexts with their questions, and which of their tokens are answers."""
    size = max(8, 2048 // (lesson.context + QUESTION * lesson.questions))
    texts = [make_text(rng, lesson) for _ in range(size)]
    tokens = np.stack([np.concatenate([text.tokens, text.questions.ravel()]) for text in texts])
    asked = np.zeros(tokens.shape, np.bool_)
    asked[:, lesson.context + QUESTION - 1 :: QUESTION] = True
    return torch.from_numpy(tokens), torch.from_numpy(asked)
