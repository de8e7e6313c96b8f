import pytest

from memory_service.analysis.names import LONGEST_NAME, MOST_PEOPLE, fold_name, people_of


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Melanie’s", "melanie"),
        ("JOSÉ  García", "jose garcia"),
        ("'s", "'s"),
        ("", ""),
        ("Й", "й"),
        ("x" * 999, "x" * LONGEST_NAME),
    ],
)
def test_folded_names(name: str, folded: str) -> None:
    assert fold_name(name) == folded
    assert fold_name(fold_name(name)) == folded


def test_a_part_names_one_person_or_nobody() -> None:
    people = people_of(["Anna Smith", "Anna Jones", "Bo Li"])
    assert people.named("anna smith") == "anna smith"
    assert people.named("anna") is None
    assert people.named("jones") == "anna jones"
    assert people.named("bo") is None, "two letters belong to too many"
    assert people.named("bo li") == "bo li"


@pytest.mark.parametrize(
    ("short", "person"),
    [
        ("mel", "melanie"),
        ("jo", None),
        ("joa", "joanna"),
        ("bill", "william stone"),
        ("m", None),
        ("mel b", None),
        ("zed", None),
    ],
)
def test_whom_an_address_means(short: str, person: str | None) -> None:
    assert people_of(["Melanie", "Joanna", "Jolene", "William Stone"]).addressed(short) == person


def test_roles_are_nobody_and_crowds_have_no_short_forms() -> None:
    assert people_of(["user", "Assistant", " "]).names == {}
    crowd = people_of([f"Person{n} Family{n}" for n in range(MOST_PEOPLE + 1)])
    assert crowd.named("family7") is None
    assert crowd.named("person7 family7") == "person7 family7"
