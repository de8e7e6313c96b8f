"""A policy at work: what is put in a place, in what order, and that going over a text again changes nothing."""

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.errors import InvalidRequest
from memory_service.redaction.finders import FINDERS
from memory_service.redaction.patterns import PatternFinder
from memory_service.redaction.policy import read_redaction
from memory_service.redaction.redactor import Edit, Redactor, moved

MAIL = {"find": "email", "do": "mask"}


def redactor(*rules: dict[str, Any], key: bytes = b"k") -> Redactor:
    policy, wrong = read_redaction({"rules": list(rules)})
    assert wrong == []
    return Redactor(policy, key)


def redacted(text: str, *rules: dict[str, Any], key: bytes = b"k") -> tuple[str, dict[str, int]]:
    counts: Counter[str] = Counter()
    return redactor(*rules, key=key).text(text, counts), dict(counts)


def test_a_mask_names_the_rule_and_counts() -> None:
    text, counts = redacted("ana@example.com, bob@example.com", MAIL)
    assert (text, counts) == ("[email], [email]", {"email": 2})
    assert redacted("EMP-123456!", {"pattern": "EMP-[0-9]{6}", "name": "employee", "do": "mask"})[0] == "[employee]!"
    assert redacted("ana@example.com", {**MAIL, "name": "mail"})[0] == "[mail]"


def test_a_pseudonym_is_the_same_for_the_same_value_of_one_tenant() -> None:
    hashed = {"find": "email", "do": "hash"}
    one, _ = redacted("Ana@example.com", hashed)
    assert one == redacted("ana@EXAMPLE.com", hashed)[0]
    assert one != redacted("bob@example.com", hashed)[0]
    assert one != redacted("ana@example.com", hashed, key=b"other")[0]
    assert "ana" not in one


def test_what_is_refused_is_named_by_rule_and_place_and_by_nothing_else() -> None:
    acting = redactor(MAIL, {"find": "secret", "do": "refuse"})
    key = "AKIAIOSFODNN7EXAMPLE"
    with pytest.raises(InvalidRequest) as caught:
        acting.json({"ana@example.com": [{"deep": key}]}, Counter(), at="/metadata")
    error = caught.value
    assert error.specific_code == "redaction_refused"
    assert [one.pointer for one in error.errors] == ["/metadata/[email]/0/deep"]
    assert key not in f"{error} {error.errors}"
    assert "ana@" not in f"{error} {error.errors}"
    assert acting.masking.json({key: key}, Counter()) == {"[secret]": "[secret]"}
    with pytest.raises(InvalidRequest) as caught:
        acting.json({key: 1}, Counter(), at="/metadata")
    assert [one.pointer for one in caught.value.errors] == ["/metadata"]


def test_rules_go_in_their_order_over_what_is_left() -> None:
    url = "https://ana:pw@example.com/x"
    credentials = {"find": "url_credentials", "do": "mask"}
    assert redacted(url, credentials, MAIL)[0] == "https://[url_credentials]@example.com/x"
    # What is in URLs goes before: an address would take a part of the password and leave the rest.
    for url in ("postgres://ana:S3cret^Pass@db.example.com", "https://u:p@ss@db.example.com/"):
        assert redacted(url, MAIL, credentials)[0].rstrip("/").endswith("://[url_credentials]@db.example.com")


def test_names_of_fields_are_redacted_and_no_value_is_lost() -> None:
    counts: Counter[str] = Counter()
    value = {"ana@example.com": 1, "bob@example.com": 2, "n": [None, True, 1.5, "c@d.io"], "user_id": "x@y.io"}
    made = redactor(MAIL).json(value, counts, keep=frozenset({"user_id"}))
    assert made == {"[email]": 1, "[email] (2)": 2, "n": [None, True, 1.5, "[email]"], "user_id": "x@y.io"}
    assert counts == {"email": 3}


def test_whole_numbers_are_read_as_their_digits() -> None:
    rules = ({"find": "card", "do": "mask"}, {"find": "phone", "do": "hash", "regions": ["US"]})
    value = {"phone": 6502530000, "c": [4111111111111111, 7, True, 4111111111111111.0, 10**5000]}
    counts: Counter[str] = Counter()
    made = redactor(*rules).json(value, counts)
    assert made["phone"].startswith("[phone:")
    assert made["c"] == ["[card]", 7, True, 4111111111111111.0, 10**5000]
    assert made["c"][2] is True
    assert counts == {"card": 1, "phone": 1}
    with pytest.raises(InvalidRequest) as caught:
        redactor({"find": "card", "do": "refuse"}).json(value, Counter(), at="/metadata")
    assert [one.pointer for one in caught.value.errors] == ["/metadata/c/0"]


def test_many_names_that_mask_alike_hold_nothing_up() -> None:
    begun = time.thread_time()
    made = redactor(MAIL).json({f"u{n}@example.com": n for n in range(10_000)}, Counter())
    assert time.thread_time() - begun < 4
    assert made["[email]"] == 0
    assert made["[email] (10000)"] == 9_999


def test_many_marks_hold_nothing_up() -> None:
    text = "[email] a@b.io " * 10_000
    begun = time.thread_time()
    assert redactor(MAIL).text(text, Counter()) == "[email] [email] " * 10_000
    assert time.thread_time() - begun < 4


def test_lists_of_words_hold_each_word_once() -> None:
    assert redactor(MAIL).texts(["a@b.io", "tea", "c@d.io"], Counter()) == ["[email]", "tea"]


def test_a_pattern_over_our_own_marks_takes_them_whole() -> None:
    greedy = {"pattern": "[a-z]+\\]? is x", "name": "word", "do": "mask"}
    assert redacted("a@b.io is x", MAIL, greedy)[0] == "[word]"
    assert redacted("[email] stays", MAIL, {"pattern": "email", "name": "word", "do": "mask"})[0] == "[email] stays"


@given(
    st.text(max_size=200), st.lists(st.sampled_from(["ana@example.com", "4111111111111111", "EMP-123456"]), max_size=4)
)
def test_a_second_time_changes_nothing(text: str, values: list[str]) -> None:
    rules = [
        {"find": "email", "do": "hash"}, {"find": "card", "do": "mask"}, {"find": "phone", "do": "hash", "regions": ["DE"]},
        {"pattern": "[A-Z]+-[0-9]+", "name": "employee", "do": "hash"},
    ]  # fmt: skip
    acting = redactor(*rules)
    once = acting.text(" ".join([text, *values]), Counter())
    again: Counter[str] = Counter()
    assert acting.text(once, again) == once
    assert not again
    for value in values:
        assert value not in once


@given(st.lists(st.sampled_from(["ana@example.com", "4111111111111111", "tea ", "ü ", "a@b.io"]), max_size=8))
def test_places_outside_of_what_was_replaced_keep_their_characters(parts: list[str]) -> None:
    text = " ".join(parts)
    edits: list[list[Edit]] = []
    made = redactor(MAIL, {"find": "card", "do": "hash"}).text(text, Counter(), edits=edits)
    for place, character in enumerate(text):
        if character in "tü":
            assert made[moved(place, edits)] == character
    assert moved(len(text), edits, end=True) == len(made)


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"rules": {}}, "/rules"),
        ({"rules": ["x"]}, "/rules/0"),
        ({"rule": []}, "/rule"),
        ({"rules": [MAIL] * 33}, "/rules"),
        ({"rules": [MAIL, MAIL]}, "/rules/1/name"),
        ({"rules": [{"do": "mask"}]}, "/rules/0"),
        ({"rules": [{"find": "email", "pattern": "x", "do": "mask"}]}, "/rules/0"),
        ({"rules": [{"find": "email", "do": "burn"}]}, "/rules/0/do"),
        ({"rules": [{"find": [], "do": "mask"}]}, "/rules/0/find"),
        ({"rules": [{"find": "email", "do": []}]}, "/rules/0/do"),
        ({"rules": [{"pattern": "x", "do": "mask"}]}, "/rules/0/name"),
        ({"rules": [{"pattern": "x", "name": "X y", "do": "mask"}]}, "/rules/0/name"),
        ({"rules": [{"pattern": "x", "name": "email", "do": "mask"}]}, "/rules/0/name"),
        ({"rules": [{"pattern": "(", "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"pattern": "(?=a)b", "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"pattern": "(a)\\1", "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"pattern": "a*", "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"pattern": "((a{500}){500}){500}", "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"pattern": "x" * 513, "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"pattern": "\ud800", "name": "x", "do": "mask"}]}, "/rules/0/pattern"),
        ({"rules": [{"find": "email", "do": "mask", "regions": ["DE"]}]}, "/rules/0/regions"),
        ({"rules": [{"find": "phone", "do": "mask", "regions": ["Germany"]}]}, "/rules/0/regions/0"),
        ({"rules": [{"find": "phone", "do": "mask", "regions": "DE"}]}, "/rules/0/regions"),
        (
            {
                "rules": [
                    {"find": "phone", "do": "mask", "regions": ["DE", "US", "FR", "GB", "IT", "ES", "PT", "NL", "BE"]}
                ]
            },
            "/rules/0/regions",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(said: dict[str, Any], pointer: str) -> None:
    _, wrong = read_redaction(said)
    assert pointer in [where for where, _ in wrong]


def test_a_policy_is_read_as_it_is_kept() -> None:
    rules = [MAIL, {"pattern": "x+", "name": "x", "do": "hash"}, {"find": "phone", "do": "refuse", "regions": ["DE"]}]
    policy, _ = read_redaction({"rules": rules})
    assert policy.to_json() == {"rules": rules}
    assert read_redaction(policy.to_json())[0] == policy


def test_no_pattern_holds_a_text_up() -> None:
    text = "a" * 60_000
    made, counts = redacted(text, {"pattern": "(a+)+b|(a|aa)+c", "name": "slow", "do": "mask"})
    assert (made, counts) == (text, {})


def test_the_time_for_many_matches_grows_as_the_text_does() -> None:
    """Looking for a `b` behind each of n letters would take n² steps: nine times as long for three times the text."""

    def seconds(n: int) -> float:
        begun = time.thread_time()
        assert len(list(PatternFinder("a.*b|a")("a" * n))) == n
        return time.thread_time() - begun

    pairs = [(seconds(30_000), seconds(90_000)) for _ in range(2)]
    assert min(took for _, took in pairs) < 6 * min(took for took, _ in pairs)


def test_windows_lose_nothing_that_fits_them(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "<" + "é" * 900 + ">"
    text = ("ü " * 700 + long) * 12 + "x end"
    patterns = ("<[^>]*>", "<[^>]*>|ü", "é+>|<", "x end$", "\\bend")
    whole = [list(PatternFinder(pattern)(text)) for pattern in patterns]
    monkeypatch.setattr("memory_service.redaction.patterns.FREE", -1)
    assert [list(PatternFinder(pattern)(text)) for pattern in patterns] == whole
    assert [len(found) for found in whole] == [12, 12 + 700 * 12, 24, 1, 1]
    assert all(text[one.start : one.end] == one.value for found in whole for one in found)


MIXED = [
    "ana@example.com", "+49 30 901820", "030 901820", "4111111111111111", "4111 1111 1111 1111", "DE89370400440532013000",
    "10.0.0.7", "2001:db8::1", "12345678Z", "AKIAIOSFODNN7EXAMPLE", "https://u:p@ss@host/", "?token=abcd", "EMP-123456",
    "2024-01-15",    "[email]", "[card", "@", "+", "_", "-", " ", ".", "谢", "a", "://", ":", "1", "\n", "(", ")", "/",
]  # fmt: skip


@given(st.lists(st.sampled_from(MIXED), max_size=12).map("".join), st.randoms())
def test_mixtures_are_gone_over_once(text: str, order: Any) -> None:
    rules = [{"find": name, "do": order.choice(["mask", "hash"])} for name in FINDERS]
    rules.append({"pattern": "[A-Z]+-[0-9]+", "name": "employee", "do": "mask"})
    order.shuffle(rules)
    for rule in rules:
        if rule.get("find") == "phone":
            rule["regions"] = ["DE", "US"]
    acting = redactor(*rules)
    edits: list[list[Edit]] = []
    once = acting.text(text, Counter(), edits=edits)
    again: Counter[str] = Counter()
    assert acting.text(once, again) == once
    assert not again
    assert moved(len(text), edits, end=True) == len(once)


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    text, _ = redacted("\ud800 EMP-123456", {"pattern": "EMP-[0-9]{6}", "name": "employee", "do": "mask"})
    assert text == "\ud800 [employee]"
