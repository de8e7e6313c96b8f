"""How much a query may read, however long it is."""

from retrieval.keyword_plan import (
    COMMON_AT_LEAST,
    COMMON_AT_MOST,
    ENOUGH,
    MOST_COMMON,
    MOST_READ,
    plan_keywords,
)

DOCUMENTS = 1_000_000


def test_fifty_words_choose_all_of_them_in_the_order_asked() -> None:
    counted = {f"w{number}": 510 + 10 * number for number in range(25)}
    asked = [*(f"unheard{number}" for number in range(25)), *counted]
    plan = plan_keywords(asked, documents=DOCUMENTS, common=counted)
    assert plan is not None
    assert plan.rare == tuple(asked)
    assert (plan.common, plan.left_out, plan.bounded) == ((), (), False)


def test_counted_terms_choose_until_enough_is_read_and_the_others_add() -> None:
    counted = {f"w{number}": 4_000 + number for number in range(40)}
    plan = plan_keywords(sorted(counted, reverse=True), documents=DOCUMENTS, common=counted)
    assert plan is not None
    assert sum(counted[term] for term in plan.rare) <= MOST_READ < sum(counted[term] for term in plan.rare) + 4_040
    assert max(counted[term] for term in plan.rare) < min(df for _, df in plan.common)
    assert dict(plan.common) | {term: counted[term] for term in plan.rare} == counted
    assert plan.heads == ()  # there is enough to choose from
    assert not plan.bounded


def test_words_that_nobody_has_counted_are_read_longest_first_where_they_may_be_too_many() -> None:
    few = MOST_READ // COMMON_AT_LEAST
    words = ["x" * (2 + number % 9) + str(number) for number in range(few + 1)]
    plan = plan_keywords(words[:few], documents=DOCUMENTS, common={})
    assert plan is not None
    assert (plan.rare, plan.bounded) == (tuple(words[:few]), False)
    plan = plan_keywords([*words, "counted"], documents=DOCUMENTS, common={"counted": 700})
    assert plan is not None
    assert plan.bounded
    assert plan.rare == (*sorted(words, key=len, reverse=True), "counted")
    # The terms of one word count each.
    groups = {word: (word, f"{word}'") for word in words[: few // 2 + 1]}
    several = plan_keywords(groups, documents=DOCUMENTS, common={}, alternatives=groups)
    assert several is not None
    assert several.bounded


def test_the_rarest_of_many_common_terms_are_looked_up() -> None:
    counted = {f"w{number}": COMMON_AT_MOST + 1 + number for number in range(MOST_COMMON + 30)}
    plan = plan_keywords(reversed(counted), documents=DOCUMENTS, common=counted)
    assert plan is not None
    assert len(plan.common) == MOST_COMMON
    assert dict(plan.common) | dict(plan.left_out) == counted
    assert max(df for _, df in plan.common) < min(df for _, df in plan.left_out)
    assert plan.heads == ("w0", "w1", "w2")
    assert ENOUGH < MOST_READ
