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
    (
        "url_credentials",
        "https://u:p@ss@host/ postgres://ana:S3cret^Pass@db.example.com",
        ["u:p@ss", "ana:S3cret^Pass"],
    ),
    (
        "url_credentials",
        "https://a.test/#access_token=abcd1 https://a.test/?X-Amz-Signature=abcd2&auth_token=abcd3&amp;token=abcd4",
        ["abcd1", "abcd2", "abcd3", "abcd4"],
    ),
    ("phone", "+49 30 901820  +1 650-253-0000", ["+49 30 901820", "+1 650-253-0000"]),
    ("phone", "+49 30 901820 +49 30 901821", ["+49 30 901820", "+49 30 901821"]),
    ("phone", "+49 30 901820 (2024-01-15)", ["+49 30 901820"]),
    ("phone", "2024-01-15 +49 30 901820", ["+49 30 901820"]),
    ("phone", "Tel.+49 30 901820 x/+49 30 901821", ["+49 30 901820", "+49 30 901821"]),
    ("phone", "ana@example.com+49 30 901820", ["+49 30 901820"]),
    (
        "phone",
        "电话+8613800138000号 _+4915112345678_ \uff0b49 (0)30 901820",
        ["+8613800138000", "+4915112345678", "\uff0b49 (0)30 901820"],
    ),
    ("card", "卡号4111111111111111有效", ["4111111111111111"]),
    ("card", "カード番号は4111-1111-1111-1111です", ["4111-1111-1111-1111"]),
    ("card", "_4111111111111111_ id-4111111111111111-x", ["4111111111111111"] * 2),
    (
        "iban",
        "账号DE89370400440532013000。_DE89 3704 0044 0532 0130 00_",
        ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00"],
    ),
    ("national_id", "号12345678Z号 _X1234567L_ 44051401359です", ["12345678Z", "X1234567L", "44051401359"]),
    ("ip", "IP是10.0.0.7的, 10.0.0.1-10.0.0.9 _2001:db8::1_", ["10.0.0.7", "10.0.0.1", "10.0.0.9", "2001:db8::1"]),
    (
        "secret",
        f"钥匙AKIAIOSFODNN7EXAMPLE在此 _AKIAIOSFODNN7EXAMPLE_ 钥{GITHUB}匙{JWT}号",
        ["AKIAIOSFODNN7EXAMPLE"] * 2 + [GITHUB, JWT],
    ),
    ("email", "请联系ana@example.com谢谢, 邮箱123456@qq.com。", ["ana@example.com", "123456@qq.com"]),
    (
        "email",
        "_ana@example.com_ ana@example.com- bob@xn--e1afmkfd.xn--p1ai 用户1@例子.广告",
        ["ana@example.com"] * 2 + ["bob@xn--e1afmkfd.xn--p1ai", "用户1@例子.广告"],
    ),
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
    ("card", "id4111111111111111 4111111111111111.5 411111111111"),
    ("iban", "DE89370400440532013001, GB00WEST12345698765432, XX82WEST12345698765432, DE89 and so on, AT12"),
    (
        "ip",
        "version 1.2.3.4; v1.2.3.4; v. 1.2.3.4; 1.2.3.4-rc1",
    ),
    (
        "ip",
        " 1.2.3.4.5; 256.1.1.1; 127.0.0.1; ::1; 0.0.0.0; 12:30:45; std::vector<a::b>",
    ),
    ("ip", "00:1A:2B:3C:4D:5E; ratio 16:9:4; section 1.2.3; C4::D"),
    ("national_id", "12345678A, X1234567A, RSSMRA85T10A562A, 44051401358, 811228-9873, 529.982.247-24, 111.111.111-11"),
    (
        "secret",
        "sk-learn-based-models-and-more-of-them, the bearer of good news arrived, task-force, AKIA, eyJ, ghp_short",
    ),
    ("secret", "request_duration_ms_bucket_by_service_and_method_and_status_code"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("030 901820 / 030/901821, (650) 253-0000", ["030 901820", "030/901821", "(650) 253-0000"]),
        ("650.253.0000 01.42.68.53.00 020 7946 0958", ["650.253.0000", "01.42.68.53.00", "020 7946 0958"]),
        ("2024-01-15 030 901820", ["030 901820"]),
        ("030 901820 030 901821", ["030 901820", "030 901821"]),
        ("650-253-0000 650-253-0001", ["650-253-0000", "650-253-0001"]),
        ("order 4711 030 901820", ["030 901820"]),
        ("0049 30 901820; 6502530000", ["0049 30 901820", "6502530000"]),
        ("06.02.-06.02.2019, 12.5.2024-13.5.2024", []),
        ("25.27.26.2099 and 1.25.27.26.2099, 10.0.0.1 10.0.0.2", []),
        ("-86.903965, 40.366210; -86.903965 40.366210", []),
        ("1700000000000 1706745600000 1700000000", []),
        ("164.403.009,00 12.000.000 EUR", []),
        ("4111 1111 1111 1111, DE89 3704 0044 0532 0130 00", []),
    ],
)
def test_what_looks_like_a_phone_in_some_country_is_one_where_that_country_writes_it_so(
    text: str, expected: list[str]
) -> None:
    assert spans("phone", text, ("DE", "US", "FR", "GB")) == expected


@pytest.mark.parametrize("unit", ["1 ", "0 ", "1-", "(1", "+1 ", "+1 1 1 1 1 1 1 1 ", "01-01-"])
def test_digits_do_not_hold_up_the_plans_of_eight_countries(unit: str) -> None:
    find = FINDERS["phone"](("DE", "US", "FR", "GB", "DK", "BR", "IT", "ES"))
    list(find("030 901820"))  # reads the plans
    begun = time.thread_time()
    list(find((unit * 200_000)[:200_000]))
    assert time.thread_time() - begun < 3  # a tenth of that where nobody else works


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
     "?token=", "bearer 1", "-----BEGIN PRIVATE KEY-----", "sk-", "a-", "12345678", "X-1", "_eyJ", "-sk-", "a://b:", "ms_"],
)  # fmt: skip
def test_no_text_holds_a_finder_up(unit: str) -> None:
    text = (unit * 40_000)[:40_000]
    for name, make in FINDERS.items():
        begun = time.perf_counter()
        list(make(())(text))
        assert time.perf_counter() - begun < 5, name
