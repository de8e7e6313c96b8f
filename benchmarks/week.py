"""A week of chats with an assistant that remembers: who asks what when, made by a seeded generator."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SYSTEM = "You are the assistant of a household. Answer in two sentences, name the person you answer, and say when you do not know."

TOPICS = {
    "garden": ("tomatoes", "compost", "greenhouse", "hedge", "watering can", "seedlings"),
    "boat": ("sail", "mooring", "varnish", "anchor", "life jackets", "tide table"),
    "kitchen": ("oven", "sourdough", "knives", "spice rack", "freezer", "pressure cooker"),
    "health": ("knee", "allergy tablets", "dentist", "running shoes", "blood test", "sleep diary"),
    "work": ("quarterly report", "new manager", "office key", "travel claims", "presentation", "mentoring"),
    "children": ("school bus", "piano lessons", "birthday party", "homework", "swimming class", "packed lunch"),
    "money": ("mortgage", "tax return", "savings account", "insurance", "car loan", "energy bill"),
    "travel": ("train to Porto", "passport", "guest house", "hiking boots", "ferry", "suitcase"),
}
PEOPLE = ("Runa", "Bastien", "Ingrid", "Gavin", "Henrik", "Célestine", "Maren", "Luc")
FACTS = (
    "{who} keeps the {what} in order every second {day}.",
    "{who} was told on a {day} that the {what} cannot wait any longer.",
    "For {who} the {what} is the part of {topic} that matters most.",
    "{who} decided against replacing the {what} before {month}.",
)
RULES = (
    "House rule: nobody is called after nine in the evening about {topic}.",
    "House rule: what is spent on {topic} is written into the blue book.",
)
QUESTIONS = (
    "What do I have to think of with the {what} {aside}?",
    "Remind me, what was it about the {what} {aside}?",
    "Is there anything planned for the {what} on {day}, {aside}?",
    "{whom} asked about the {what} {aside}; what do I say?",
)
FOLLOW_UPS = (
    "And how does that fit with the {what} {aside}?",
    "Who else should know about the {what}, {aside}?",
    "Fine. And {topic} on {day}, {aside}?",
    "Would {whom} see that differently {aside}?",
)
# What people say is seldom the same, word for word.
ASIDES = (
    "now that {number} days are left",
    "before {month}",
    "since it cost {number} already",
    "when {whom} comes by at {number}",
    "if the {other} is to be done as well",
    "after what happened with the {other}",
    "as {whom} said on {day}",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("March", "June", "September", "December")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something remembered; of nobody in particular where `user` is None."""

    text: str
    user: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt of the week; a follow-up has the turns before it in `session`."""

    day: int
    user: str
    session: int
    turn: int
    text: str


def facts(rng: random.Random, *, per_user: int, people: Sequence[str] = PEOPLE) -> Iterator[Fact]:
    """Yield what is known at the beginning of the week."""
    for topic in TOPICS:
        for rule in RULES:
            yield Fact(rule.format(topic=topic), None)
    for who in people:
        things = [(topic, what, form) for topic in TOPICS for what in TOPICS[topic] for form in FACTS]
        for topic, what, form in rng.sample(things, per_user):
            day, month = rng.choice(DAYS), rng.choice(MONTHS)
            yield Fact(form.format(who=who, what=what, topic=topic, day=day, month=month), who)


def week(rng: random.Random, *, sessions_per_day: int, people: Sequence[str] = PEOPLE) -> Iterator[Asked]:
    """Yield the prompts in their order: people have few topics that they come back to, and sessions of three to eight turns."""
    favourites = {who: rng.sample(list(TOPICS), len(TOPICS)) for who in people}
    weights = [1 / (rank + 1) for rank in range(len(TOPICS))]
    session = 0
    for day in range(7):
        asking = [who for who in people for _ in range(sessions_per_day)]
        rng.shuffle(asking)
        for who in asking:
            session += 1
            (topic,) = rng.choices(favourites[who], weights)
            for turn in range(rng.choice((3, 4, 5, 6, 8))):
                form = rng.choice(QUESTIONS if turn == 0 else FOLLOW_UPS)
                form = form.replace("{aside}", rng.choice(ASIDES))
                what, other = rng.sample(TOPICS[topic], 2)
                text = form.format(
                    what=what,
                    other=other,
                    topic=topic,
                    day=rng.choice(DAYS),
                    month=rng.choice(MONTHS),
                    whom=rng.choice(PEOPLE),
                    number=rng.randrange(2, 60),
                )
                yield Asked(day, who, session, turn, text)
