import numpy as np
import pytest

from benchmarks.cue_noise import Kind, damage, fragment, half, noisy, rng_of, run, typos

TEXT = "yesterday my sister brought home a small brown puppy from the shelter near Lisbon and named him Pablo"
WORDS = TEXT.split()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def in_order(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in part)


def test_half_of_the_words_in_their_order() -> None:
    kept = half(WORDS, rng())
    assert len(kept) == 9  # of 18
    assert in_order(kept, WORDS)
    assert len(half(WORDS[:5], rng())) == 3


@pytest.mark.parametrize(("count", "length"), [(4, 3), (18, 4), (40, 8)])
def test_a_fragment_is_a_run_of_a_quarter(count: int, length: int) -> None:
    words = [f"w{number}" for number in range(count)]
    part = fragment(words, rng())
    assert len(part) == length
    assert part == words[words.index(part[0]) :][:length]


def test_typos_leave_short_words_and_damage_half_of_the_others() -> None:
    damaged = [typos(WORDS, rng(seed)) for seed in range(200)]
    long = [place for place, word in enumerate(WORDS) if len(word) >= 4]
    for words in damaged:
        assert all(words[place] == word for place, word in enumerate(WORDS) if place not in long)
    changed = np.mean([[words[place] != WORDS[place] for place in long] for words in damaged])
    # A swap of equal letters, such as the p of "puppy", changes nothing.
    assert 0.44 < changed < 0.54


def test_a_damaged_word_differs_by_one_edit() -> None:
    seen = {damage("word", rng(seed)) for seed in range(300)}
    assert {"owrd", "wrod", "wodr", "ord", "wrd", "wod", "wor", "wword", "woord", "worrd", "wordd"} <= seen
    assert all(3 <= len(word) <= 5 for word in seen)
    assert "word" not in seen


def test_punctuation_is_no_letter() -> None:
    damaged = [damage("(ab)", rng(seed)) for seed in range(50)]
    assert all(word[0] == "(" and word[-1] == ")" for word in damaged)
    assert "(ba)" in damaged


def test_a_long_text_is_cut_to_a_run_first() -> None:
    words = [f"w{number}" for number in range(100)]
    part = run(words, 40, rng())
    assert part == words[words.index(part[0]) :][:40]
    assert len(noisy(" ".join(words), Kind.HALF, rng()).split()) == 20


def test_every_cue_has_its_own_seed() -> None:
    def make(memory: str, kind: Kind = Kind.HALF) -> str:
        return noisy(TEXT, kind, rng_of("conversation", memory, kind))

    assert make("m1") == make("m1")
    assert len({make(f"m{number}") for number in range(20)}) == 20
