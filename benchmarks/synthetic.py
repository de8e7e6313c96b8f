"""Texts and questions for scale, made from the words of the example conversation by a seeded generator.

The things are those of ``examples/conversation.jsonl``, the sentences are templates: no data set is needed, and
everyone gets the same texts. They have the length of chat turns (about 26 tokens) and share words unevenly, as chat
does: a few names and verbs are everywhere, and a long tail of invented names is rare.
"""

import random
import re
from collections import Counter
from functools import cache

from memory_service.cli.conversation import read_turns

PEOPLE = ("Runa", "Bastien", "Ingrid", "Maren", "Gavin", "Luc", "Henrik", "Célestine", "Mr Abernethy", "Mrs Oyelaran")
PLACES = (
    *("Leith", "Bergen", "Lyon", "Bedminster", "Inverness", "Pitlochry", "Totterdown", "Fishponds", "Easton", "Porto"),
    *("Edinburgh", "Lisbon", "Stockbridge", "Loch Leven", "Constitution Street", "Copperfield Terrace", "the Shore"),
    *("the workshop", "the allotment", "the Central Library"),
)
NO_THINGS = frozenset(
    (
        *("already", "alive", "best", "clean", "concentration", "confidence", "conservation", "good", "great", "grown"),
        *("happy", "last", "little", "local", "loudest", "most", "next", "nice", "other", "poor", "proper", "real"),
        *("retired", "right", "same", "seed", "simple", "small", "very", "washing", "waiting", "whistling", "whole"),
        *("first", "second", "third", "four", "fifth", "eight", "ninth", "tenth", "thirteenth", "fourteenth"),
        *("sixteenth", "twentieth", "twenty", "half"),
    )
)
"""Words that stand after an article and are no thing."""

SYLLABLES = (
    "bar",
    "cor",
    "del",
    "fen",
    "gal",
    "hes",
    "kir",
    "lom",
    "mar",
    "nev",
    "pol",
    "ros",
    "sten",
    "tor",
    "ul",
    "wick",
)
NAMES = len(SYLLABLES) ** 3
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "September", "October", "November", "December")
MOODS = ("happy", "tired", "annoyed", "proud", "nervous", "relieved", "curious", "sorry")
STATEMENTS = (
    "{person} brought the {thing} to {place} on {day} and left it beside the {other}.",
    "I paid {number} pounds for the {thing}, which is {small} more than {person} paid in {month}.",
    "On the {small}th of {month} we all met in {place} to see the {thing}.",
    "{person} says the {thing} is {mood}, whatever that means for a {other}.",
    "There were {number} people at the {thing} in {place}, and {person} knew every one of them.",
    "I'm {mood} about the {thing}, but {person} promised to look at it before {day}.",
    "We moved the {thing} from {place} to {name} House, to the room with the {other}.",
    "The {thing} of the {name} weighed {number} grams in {month} and {small} less by now.",
    "{person} has a new {thing} from {name}, the shop in {place}, and calls it {name2}.",
    "Nobody told me that {person} keeps a {thing} from {name} under the {other}.",
    "It took {small} hours to repair the {thing} that {name} sold us, and then the {other} broke.",
    "If {day} is dry, {person} and I will take the {thing} to {place}.",
    "My {other} still smells of {thing} since we visited Dr {name} in {place} in {month}.",
    "{person} was {mood} because the {thing} came {small} days late.",
)
QUESTIONS = (
    "When did {person} bring the {thing} to {place}?",
    "How much did the {thing} from {name} cost?",
    "Who keeps a {thing} from {name} under the {other}?",
    "What did {person} say about the {thing} and the {other}?",
    "How many people were at the {thing} in {place}?",
    "Why was {person} {mood} about the {thing}?",
    "Where is the {thing} that {person} repaired in {month}?",
    "How long did it take to repair the {thing} that {name} sold?",
)
OPENERS = ("", "", "", "Guess what. ", "By the way, ", "You won't believe it: ", "Honestly, ", "Oh, and ")


@cache
def things() -> tuple[str, ...]:
    """Return what stands after an article in the conversation, commonest first: nouns, nearly all."""
    words = Counter[str]()
    for turn in read_turns():
        words.update(re.findall(r"\b(?:a|an|the|my|his|her|your) ([a-zé]{4,})\b", turn.content))
    return tuple(word for word, _ in words.most_common() if word not in NO_THINGS)


def texts(count: int, *, seed: int) -> list[str]:
    """Return ``count`` different texts of one to three sentences."""
    rng = random.Random(f"texts {seed}")
    made: dict[str, None] = {}
    while len(made) < count:
        sentences = (_filled(rng.choice(STATEMENTS), rng) for _ in range(rng.choice((1, 1, 2, 2, 2, 3))))
        made[rng.choice(OPENERS) + " ".join(sentences)] = None
    return list(made)


def questions(count: int, *, seed: int) -> list[str]:
    """Return ``count`` different questions over the same words."""
    rng = random.Random(f"questions {seed}")
    made: dict[str, None] = {}
    while len(made) < count:
        made[_filled(rng.choice(QUESTIONS), rng)] = None
    return list(made)


def _filled(template: str, rng: random.Random) -> str:
    nouns = things()
    return template.format(
        person=rng.choice(PEOPLE),
        place=rng.choice(PLACES),
        thing=_uneven(nouns, rng),
        other=_uneven(nouns, rng),
        day=rng.choice(DAYS),
        month=rng.choice(MONTHS),
        mood=rng.choice(MOODS),
        number=rng.randint(12, 4000),
        small=rng.randint(4, 20),
        name=_invented(rng),
        name2=_invented(rng),
    )


def _uneven(words: tuple[str, ...], rng: random.Random) -> str:
    """Return a word, earlier ones more often: the square of a uniform number falls near zero."""
    return words[int(rng.random() ** 2 * len(words))]


def _invented(rng: random.Random) -> str:
    """Return an invented name, a few of them often: the long tail of rare words that real talk has."""
    number = int(rng.random() ** 3 * NAMES)
    first, rest = divmod(number, len(SYLLABLES) ** 2)
    second, third = divmod(rest, len(SYLLABLES))
    return (SYLLABLES[third] + SYLLABLES[second] + SYLLABLES[first]).capitalize()
