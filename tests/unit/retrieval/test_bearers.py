from dataclasses import replace

import pytest

from retrieval.bearers import Said, bearer, meant_by, misspelt

TWO = ["emi_92", "jo"]
ADDRESSED = [
    Said("jo", "Hi Kate! How was it?"),
    Said("jo", "Kate, you won't believe it."),
    Said("jo", "Sleep well, Kate."),
]


def test_whom_the_others_address_and_who_never_says_the_name_bears_it():
    assert bearer("Kate", ADDRESSED, TWO) == "emi_92"
    assert bearer("kate", [*ADDRESSED, Said("jo", "Kate's bread is the best.")], TWO) == "emi_92"


@pytest.mark.parametrize(
    ("said", "speakers"),
    [
        (ADDRESSED[:2], TWO),  # two texts may be about anybody
        ([*ADDRESSED, *[Said("jo", "I met Kate.")] * 10], TWO),  # mostly talked about
        ([*ADDRESSED, Said("emi_92", "Kate is my sister."), Said("emi_92", "Hi Kate!")], TWO),  # both say it
        (ADDRESSED, [*TWO, "bo"]),  # of two who never say it either may be meant
        (ADDRESSED, ["jo"]),
        ([], TWO),
    ],
)
def test_otherwise_a_name_means_nobody_who_speaks(said, speakers):
    assert bearer("Kate", said, speakers) is None


def test_one_who_says_his_own_name_now_and_then_bears_it_still():
    said = [*ADDRESSED * 4, Said("emi_92", "It's Kate, by the way.")]
    assert bearer("Kate", said, TWO) == "emi_92"


@pytest.mark.parametrize(
    ("beside", "bearer_of_it"),
    [
        (["emi_92"] * 3, "emi_92"),
        (["emi_92", "emi_92", "bo"], None),  # two of three are too few
        (["bo"] * 3, "bo"),
        (["emi_92 bo"] * 3, None),  # a talk of three
        ([""] * 3, None),
    ],
)
def test_of_several_who_never_say_it_the_one_who_speaks_beside_it_bears_it(beside, bearer_of_it):
    said = [replace(one, beside=frozenset(who.split())) for one, who in zip(ADDRESSED, beside, strict=True)]
    assert bearer("Kate", said, [*TWO, "bo"]) == bearer_of_it


def test_a_role_is_nobody_beside_people():
    assert meant_by("Kate", ADDRESSED, [*TWO, "assistant"]) == "emi_92"
    assert meant_by("Kate", [*ADDRESSED, *[Said("assistant", "Kate is a name.")] * 9], TWO) == "emi_92"
    assert meant_by("Kate", ADDRESSED, ["user", "jo"]) is None


def test_of_two_roles_one_may_be_called_by_a_name():
    said = [Said("user", one.text) for one in ADDRESSED]
    assert meant_by("Kate", said, ["assistant", "user"]) == "assistant"
    assert meant_by("Kate", [*said, *[Said("assistant", "I am Kate.")] * 3], ["assistant", "user"]) is None
    assert meant_by("Kate", said, []) is None


@pytest.mark.parametrize("written", ["Melanei", "Melani", "Melannie", "Melamie", "MELANI", "Melanies"])
def test_a_name_that_differs_by_a_letter_is_misspelt(written):
    assert misspelt(written, ["Melanie", "Caroline"]) == "Melanie"


@pytest.mark.parametrize("written", ["Melanie", "Nelanie", "Melan", "Mel", "", "Meln"])
def test_a_name_that_differs_by_none_or_more_is_another(written):
    assert misspelt(written, ["Melanie", "Caroline"]) is None


def test_only_what_nobody_says_is_misspelt():
    assert meant_by("Elisa", [], ["elise", "kevin"]) == "elise"
    assert meant_by("Elisa", [Said("kevin", "My sister Elisa lives there.")], ["elise", "kevin"]) is None


@pytest.mark.parametrize(
    ("written", "meant"), [("Elisa", "elise"), ("elisa", None), ("ELISA", None), ("McDonal", "McDonald")]
)
def test_a_word_that_is_not_written_as_a_name_is_no_misspelt_one(written: str, meant: str | None) -> None:
    assert meant_by(written, [], ["elise", "McDonald"]) == meant
