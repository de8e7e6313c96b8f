"""Which way a query is ranked of whose words the memories know none."""

from datetime import UTC, datetime
from time import perf_counter

import pytest

from retrieval.query import parse_query
from retrieval.router import Route, RouterSettings, route

NOW = datetime(2024, 9, 10, tzinfo=UTC)
ASKING = [
    "what i said yesterday",
    "what did i eat yesterday",
    "what happened yesterday",
    "what happened with ana last week",
    "who called yesterday",
    "who came to the party last friday",
    "which files changed yesterday",
    "whats my latest car",
    "wheres my latest invoice",
    "what've I done this week",
    "wat did i eat yesterday",
    "did u see it yesterday",
    "didn't i pay rent last month",
    "what must I pay tomorrow",
    "hey what did i do yesterday",
    "ok so what did i eat last night",
    "hey, remind me what i said yesterday",
    "yesterday what did i eat",
    "On Monday, what did I do",
    "In 2023 where did I live",
    "during which month last year did i move",
    "What kind of new car did I get last month",
    "I'm planning dinner. What did I cook last week? I'd like something new.",
    "latest address",
    "my first job",
    "events on 2024-05-01",
    "User's latest address",
    "my most recent doctor appointment",
    "What was the first book that we read in our club",
    "Did Ana call me yesterday about the trip",
    "How many times have I been running this week",
    "In which city did I stay last weekend",
    "Tell me everything that I did on 2 May 2024",
]
TELLING = [
    "Had the worst day yesterday, feeling down",
    "Had my first therapy session yesterday and I'm drained",
    "Did the laundry yesterday and my back hurts",
    "Did my first 10k yesterday, so proud of myself",
    "Was my birthday yesterday and nobody called",
    "Have my first exam tomorrow and I am terrified",
    "When I was in Rome last year I was so happy",
    "When the power was out yesterday I was so scared",
    "When Ana was here last week we cooked",
    "So when I was laid off last month I cried",
    "What I had yesterday was great, really",
    "What a week I had last week, I am so tired",
    "Which is why I was late yesterday",
    "Look, yesterday I had a fight with my mum",
    "Help, I crashed my car yesterday evening",
    "Let me vent, yesterday my boss yelled at me",
    "Order arrived yesterday and I love it",
    "Plan for today: I'm going to the gym",
    "Get this: yesterday I won the lottery",
    "I got laid off yesterday, can you believe it?",
    "My boss yelled at me today. Is that normal?",
    "I feel so alone since last month, you know?",
    "We ate something unknown yesterday and we liked it",
    "Yesterday I finally told my boss that I am leaving",
    "When my bonus came yesterday, my first thought was to spend it",
]


def way_of(query: str, *, coverage: float = 0.0) -> Route:
    return route(parse_query(query, now=NOW), coverage, settings=RouterSettings()).route


@pytest.mark.parametrize("query", ASKING)
def test_a_question_that_names_a_time_is_a_question(query: str) -> None:
    assert way_of(query) is Route.QUESTION


@pytest.mark.parametrize("query", TELLING)
def test_what_tells_when_something_was_is_a_statement(query: str) -> None:
    assert way_of(query) is Route.STATEMENT


@pytest.mark.parametrize(
    "query",
    [
        "What do we usually eat?",
        "The children meet their grandfather on Sunday. What should they not mention?",
        "Oskar's glasses: how strong are they?",
        "Her old flat - which floor was it on",
        "Suggest a meal for the four of us",
        "Does my sister eat meat?",
        "Is there anything I should bring to my aunt?",
        "I'm at the shop, what did I need?",
        "What is my sister's address? I want to send her a card.",
        "Had I already paid my rent?",
        "Who cares for my cat while I travel?",
        "Have you ever heard me mention my dentist?",
        "Help me find my notes on the boiler",
        "My trainers are worn out, re-order the same model please",
        "Friday I'm alone, cook me something nice (recipe please)",
        "Please reserve a room for me near the race",
        "Wo wohnt deine Schwester?",
        "Où habite ta sœur ?",
    ],
)
def test_what_is_asked_outright_is_a_question_whatever_words_it_shares(query: str) -> None:
    assert way_of(query) is Route.QUESTION


@pytest.mark.parametrize(
    "query",
    [
        "Can you believe what a car key costs? It's a piece of metal!",
        "Do you ever feel that you work too much?",
        "Who knew that pottery would be so hard?",
        "We laughed for an hour. Have you ever seen such a hat?",
        "I bought curtains in place of a phone—who am I, choosing sleep?",
        "My sister bent the truth a bit, is that normal?",
        "Give me strength, my boss did it again.",
        "Show must go on, I told myself after the audition.",
        "Had I known, I would have stayed at home with my mum.",
        "Find myself thinking of my old school again.",
        "Are we there yet? My kids asked it a hundred times.",
        "I love this. Why did nobody tell me before?",
        "Is it just me or is everything getting harder for me?",
        "Ich bin so müde, wer kennt das nicht?",
        "Let go of my job today and I feel free",
        "Please let this week be over, I am so tired",
        "Please don't ask me how my exam went",
        "I gave up trying to please my mother",
        "Living alone I can finally eat what I please",
        "Get up at five every day and I'm exhausted",
        "Order in my life is gone since the baby came",
        "Tell me about it, my kids are the same",
        "My new rule: get up at six and run",
        "I got the job - who would have guessed",
        "Where did the time go, my baby is two already",
        "What can I say, I love my dog",
        "I finished my thesis! How cool is that?",
        "Ich habe heute gekündigt und bin froh",
    ],
)
def test_what_is_only_said_as_a_question_is_a_statement(query: str) -> None:
    assert way_of(query) is Route.STATEMENT
    assert way_of(query, coverage=0.4) is Route.QUESTION


@pytest.mark.parametrize(
    "part", ["what ", "in ", "which of the ", "yesterday ", "last x ", "how a-", "Did ", "who? ", "please "]
)
def test_long_queries_are_told_apart_in_no_time(part: str) -> None:
    query = "latest " + part * (12_000 // len(part))
    parsed = parse_query(query, now=NOW)
    began = perf_counter()
    route(parsed, 0.0, settings=RouterSettings())
    assert perf_counter() - began < 1.0
