"""What somebody asks for once and for all, and what only looks like it."""

from time import perf_counter

import pytest

from memory_service.analysis.wishes import LONGEST_TEXT, Wish, wish_in

INSTRUCTIONS = (
    "Always give the source when I ask about medicine.",
    "Never use emojis in replies.",
    "Please always answer in British English",
    "I have a question about my boat. Also, please never suggest paid tools!",
    "From now on, write short answers.",
    "Going forward please keep the tables narrow.",
    "Make sure to always round to two digits.",
    "Whenever I ask for a recipe, give weights in grams.",
    "I'd like you to always name the author.",
    "Always focus on the essentials.",
)
PREFERENCES = (
    "I'm planning a trip and I prefer trains to planes, can you help?",
    "I'd rather sit at the window.",
    "I really dislike crowded beaches.",
    "My favourite tea is oolong.",
    "I'm allergic to peanuts, what can I bake?",
    "I am not a big fan of musicals.",
    "My strong preference is for morning meetings.",
)
TOLD_INSTRUCTIONS = (
    "Wants the assistant to confirm before it deletes a file",
    "User prefers short answers",
    "The user asks for replies in French.",
    "User asked the assistant to always answer in German",
    "User has asked to never use emojis",
    "User requested concise answers",
)
TOLD_PREFERENCES = (
    "Prefers window seats on long flights",
    "The user strongly dislikes cilantro.",
    "Works night shifts. Avoids meetings before noon.",
    "Always picks the stairs",
    "Doesn't drink milk",
    "Can't stand techno",
    "Never flies on Fridays",
    "Has been vegan since spring",
    "Wants no phone calls on Sundays",
    "User always takes the train at six",
    "Has two cats. Doesn't drink coffee.",
    "Favourite bakery in town is Brotraum",
    "User has a strong preference for window seats",
    "The user mentioned that they prefer window seats",
    "User lives in Berlin and prefers trains",
    "User particularly enjoys Italian food",
    "User is lactose intolerant",
    "User has a peanut allergy",
    "User follows a vegan diet",
    "User's dietary preference is vegetarian",
    "[2024-05-01] User prefers dark mode",
    "User's favourite bakery is Brotraum",
    "Her son Emil is severely allergic to wasps",
    "Allergic to latex",
)
NEITHER = (
    "",
    "?!",
    "Never mind.",
    "Never thought I would see that again.",
    "Always a pleasure to talk to you!",
    "Always happy to help.",
    "Never again!",
    "Should I always wear a helmet?",
    "Which do I prefer, do you think?",
    "How can I avoid mistakes?",
    "I'd love to hear more about your garden.",
    "She always gives the source.",
    "Works as a nurse in Leeds",
    "Her sister prefers window seats",
    "Bought a bike that likes mud",
    "Likely moves to Graz in May",
    "Always was the tallest in class",
    "Wants to visit Lisbon in March",
    "Never has time on Mondays these days",
    "The assistant prefers to be brief",
    "Don't do that again!",
    "Don't buy milk, we have some.",
    "Do not use tabs in this file.",
    "Won't take long.",
    "Always returns 200 on success",
    "Never exceeds 5 MB",
    "Only works on Linux",
    "The build is red. Always fails on Mondays.",
    "Who is allergic to nuts?",
    "Likes: 34 Comments: 3",
    "Tom called. Prefers tea.",
    "I met Tom. Loves football.",
    "Prefers model trains? No idea.",
    "Wants the model in blue",
    "Wants the answer by Monday",
    "Expects written answers by Friday",
    "Asked for the assistant manager",
    "Customer likes the answers we gave",
    "Does the user like short answers?",
    "User asks the assistant to write a poem about rain",
    "User wants the agent to approve the refund",
    "Wants me to pay the rent",
    "Wants quick replies from the bank",
    "If the user never logs in, delete the account",
    "User never receives the mail",
    "User prefers-color-scheme media query is ignored",
    "Nobody here is allergic to nuts",
    "I don't know who is allergic to nuts",
    "My boss is allergic to criticism.",
    "Won't buy milk today, we have some.",
    "Can't stand up since yesterday",
    "Likes went up by a fifth after the post",
    "Only drives under 2 TB are supported",
    "Is vegan cheese any good",
    "Favourite team lost, so the day is ruined",
    "Is Tom there? Prefers tea.",
    "In the future I want to be a pilot.",
    "Whenever I ask him, he laughs.",
    'He told me "Always give the source" twice.',
    "```\nAlways give the source\n```",
    "Ich liebe dich, und ich will immer bei dir sein, denn das ist mein Leben.",
)


@pytest.mark.parametrize("text", [*INSTRUCTIONS, *TOLD_INSTRUCTIONS])
def test_how_to_answer_is_an_instruction(text: str) -> None:
    assert wish_in(text) is Wish.INSTRUCTION


@pytest.mark.parametrize("text", [*PREFERENCES, *TOLD_PREFERENCES])
def test_what_somebody_likes_is_a_preference(text: str) -> None:
    assert wish_in(text) is Wish.PREFERENCE


@pytest.mark.parametrize("text", NEITHER)
def test_what_is_told_or_asked_once_is_no_wish(text: str) -> None:
    assert wish_in(text) is None


def test_other_languages_and_the_end_of_long_texts_are_not_read() -> None:
    assert wish_in(INSTRUCTIONS[0], "de") is None
    assert wish_in(INSTRUCTIONS[0], "en-GB") is Wish.INSTRUCTION
    assert wish_in("a " * LONGEST_TEXT + f". {INSTRUCTIONS[0]}") is None
    assert wish_in(f"{INSTRUCTIONS[0]} {'a ' * LONGEST_TEXT}") is Wish.INSTRUCTION


def test_an_instruction_counts_before_a_preference() -> None:
    assert wish_in(f"{PREFERENCES[0]} {INSTRUCTIONS[0]}") is Wish.INSTRUCTION


@pytest.mark.parametrize(
    "text",
    [
        "My teacher always says: never give up.",
        "Tom told me: always lock the door.",
        "In the song it goes: never gonna give you up.",
        "The sign at the pond: never feed the ducks.",
        "My daughter says I prefer work to her.",
        "I hate to say it, but you're right.",
    ],
)
def test_what_somebody_else_said_is_nobodys_wish(text: str) -> None:
    assert wish_in(text) is None


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("I told you: always answer in German.", "instruction"),
        ("Tom says hi. Always answer in German.", "instruction"),
        ("Note: always use UTC in logs.", "instruction"),
        ("I said I prefer tea.", "preference"),
        ("My wife says I love trains. I prefer planes.", "preference"),
        ("I hate to wait.", "preference"),
    ],
)
def test_what_one_says_oneself_beside_it_is(text: str, wish: str) -> None:
    found = wish_in(text)
    assert found is not None
    assert found.value == wish


@pytest.mark.parametrize(
    "part",
    [".", "\n", ". ", ": ", "user ", "Prefers ", "always ", "wants a ", "favourite x", "is x allergic ", "really "],
)
def test_long_texts_are_read_in_no_time(part: str) -> None:
    text = part * (LONGEST_TEXT // len(part))
    began = perf_counter()
    wish_in(text)
    assert perf_counter() - began < 1.0
