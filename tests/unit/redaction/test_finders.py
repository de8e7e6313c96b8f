"""What each finder takes for a value, and what looks like one and must stay as it is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.redaction.finders import FINDERS
from memory_service.redaction.numbers import passes_luhn

GITHUB = "ghp_" + "aB3d" * 9
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----"

FOUND = [
    ("email", "Write to ana@example.com.", ["ana@example.com"]),
    (
        "email",
        "<Ana.Maria+news@mail.example.co.uk>, bob_x@a-b.io",
        ["Ana.Maria+news@mail.example.co.uk", "bob_x@a-b.io"],
    ),
    ("email", "jörg@müller.de und 用户@例子.广告", ["jörg@müller.de", "用户@例子.广告"]),
    ("email", "mailto:o'neil@example.org?subject=x", ["o'neil@example.org"]),
    ("email", "a@b.co@c.de", ["a@b.co"]),
    ("phone", "ring +44 20 7946 0958 or +1 (650) 253-0000", ["+44 20 7946 0958", "+1 (650) 253-0000"]),
    ("phone", "+4915112345678", ["+4915112345678"]),
    ("card", "Visa 4111 1111 1111 1111, Amex 3782 822463 10005", ["4111 1111 1111 1111", "3782 822463 10005"]),
    ("card", "5555-5555-5555-4444", ["5555-5555-5555-4444"]),
    ("card", "0 4111111111111111; 4111 2222 4111 1111 1111 1111", ["4111111111111111", "4111 1111 1111 1111"]),
    ("iban", "IBAN: DE89 3704 0044 0532 0130 00.", ["DE89 3704 0044 0532 0130 00"]),
    ("iban", "FR1420041010050500013M02606 nl91abna0417164300", ["FR1420041010050500013M02606", "nl91abna0417164300"]),
    ("ip", "from 203.0.113.9:443 and 2001:db8::8a2e:370:7334", ["203.0.113.9", "2001:db8::8a2e:370:7334"]),
    ("ip", "[fe80::1] ::ffff:192.0.2.128.", ["fe80::1", "::ffff:192.0.2.128"]),
    ("national_id", "DNI 12345678Z, NIE X1234567L", ["12345678Z", "X1234567L"]),
    ("national_id", "RSSMRA85T10A562S; 2 55 08 14 168 025 38", ["2 55 08 14 168 025 38", "RSSMRA85T10A562S"]),
    ("secret", f"key {GITHUB} and {JWT}", [JWT, GITHUB]),
    ("secret", f"so:\n{PEM}\nend", [PEM]),
    ("secret", "-----BEGIN PRIVATE KEY-----\nMIIE", ["-----BEGIN PRIVATE KEY-----\nMIIE"]),
    ("secret", "Authorization: Bearer abc123def456ghi789", ["abc123def456ghi789"]),
    (
        "secret",
        "AKIAIOSFODNN7EXAMPLE sk-proj-a1b2c3d4e5f6g7h8i9j0",
        ["AKIAIOSFODNN7EXAMPLE", "sk-proj-a1b2c3d4e5f6g7h8i9j0"],
    ),
    ("secret", "ms_" + "a1-_" * 10 + "abc", ["ms_" + "a1-_" * 10 + "abc"]),
    ("url_credentials", "postgres://ana:s3cret@db:5432/x", ["ana:s3cret"]),
    ("url_credentials", "https://a.test/?api_key=12345678&page=2#access", ["12345678"]),
]
STAYS = [
    (
        "email",
        "@ana said: meet @ the pub; a@b, x@localhost, npm i pkg@1.2.3, logo@2x.png, git@github.com:o/r.git, @@@@",
    ),
    ("email", "5 apples @ 3.50 each; user@-bad.com; foo@bar..com; .@example.com"),
    (
        "phone",
        "on 2024-01-15 14:30 we sold 1,234,567 of 12345678; ISBN 978-3-16-148410-0; 192.168.100.200; v10.22.333.4444",
    ),
    ("phone", "order +1 and +22; 4111 1111 1111 1111; room 650-253; 1700000000"),
    ("card", "order 4111111111111112, 1234567890123456, 0000000000000000, 1700000000000, 3.14159265358979323846"),
    ("card", "id-4111111111111111-x 4111111111111111.5 411111111111"),
    ("iban", "DE89370400440532013001, GB00WEST12345698765432, XX82WEST12345698765432, DE89 and so on, AT12"),
    ("ip", "version 1.2.3.4; v1.2.3.4; 1.2.3.4.5; 256.1.1.1; 127.0.0.1; ::1; 0.0.0.0; 12:30:45; std::vector<a::b>"),
    ("ip", "00:1A:2B:3C:4D:5E; ratio 16:9:4; section 1.2.3; C4::D"),
    ("national_id", "12345678A, X1234567A, RSSMRA85T10A562A, 44051401358, 811228-9873, 529.982.247-24, 111.111.111-11"),
    (
        "secret",
        "sk-learn-based-models-and-more-of-them, the bearer of good news arrived, task-force, AKIA, eyJ, ghp_short",
    ),
    ("secret", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----; -----BEGIN CERTIFICATE-----"),
    ("url_credentials", "https://example.com:8080/a@b http://h/?page=2222&tokens=5555 mailto:a@b.de see note: a:b@c"),
]


def spans(finder: str, text: str, regions: tuple[str, ...] = ()) -> list[str]:
    return [text[found.start : found.end] for found in FINDERS[finder](regions)(text)]


@pytest.mark.parametrize(("finder", "text", "expected"), FOUND)
def test_values_are_found_whole(finder: str, text: str, expected: list[str]) -> None:
    assert sorted(spans(finder, text)) == sorted(expected)


@pytest.mark.parametrize(("finder", "text"), STAYS)
def test_look_alikes_stay(finder: str, text: str) -> None:
    assert spans(finder, text) == []


def test_phones_are_found_as_countries_write_them_where_a_rule_names_those() -> None:
    text = "Tel. 030 901820 oder (030) 901820, US: (650) 253-0000, order 4711-0815, 12345678"
    assert spans("phone", text) == []
    assert spans("phone", text, ("DE",)) == ["030 901820", "(030) 901820"]
    assert spans("phone", text, ("US",)) == ["(650) 253-0000"]


def test_spellings_of_one_value_are_the_same_value() -> None:
    for finder, one, other in (
        ("email", "Ana@Example.com", "ana@example.COM"),
        ("phone", "+1 (650) 253-0000", "+16502530000"),
        ("card", "4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("iban", "de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("ip", "2001:0db8::0001", "2001:db8::1"),
    ):
        (first,), (second,) = (list(FINDERS[finder](())(text)) for text in (one, other))
        assert first.value == second.value, finder


@given(st.text(alphabet="0123456789 -@.:/=_eyJabcdefKEY+()[]", max_size=400))
def test_what_is_found_lies_in_the_text(text: str) -> None:
    for name, make in FINDERS.items():
        for found in make(())(text):
            assert 0 <= found.start < found.end <= len(text), name


@given(st.from_regex(r"[1-9][0-9]{11,17}", fullmatch=True))
def test_one_wrong_digit_breaks_luhn(digits: str) -> None:
    for check in "0123456789":
        whole = digits + check
        if passes_luhn(whole):
            changed = whole[:-1] + str((int(check) + 1) % 10)
            assert not passes_luhn(changed)


@pytest.mark.parametrize(
    "unit",
    ["@", "a@", "a.a@", "eyJ", "eyJaaaaaaaaa.", "1 ", "1-", "4111 ", "+1", "(1", "DE89 ", "1:", "::1", "1.", "http://a:",
     "?token=", "bearer 1", "-----BEGIN PRIVATE KEY-----", "sk-", "a-", "12345678", "X-1"],
)  # fmt: skip
def test_no_text_holds_a_finder_up(unit: str) -> None:
    text = (unit * 40_000)[:40_000]
    for name, make in FINDERS.items():
        begun = time.perf_counter()
        list(make(())(text))
        assert time.perf_counter() - begun < 5, name
