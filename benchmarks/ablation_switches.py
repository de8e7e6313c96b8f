"""The mechanisms of the ranking, each with the setups that turn it the other way and that leave it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.ablation_setup import ALWAYS_QUESTION, ALWAYS_STATEMENT, BARE, FURTHER, Setup
from retrieval.contiguity import ContiguitySettings
from retrieval.priors import PriorSettings
from retrieval.ranking_settings import DEFAULT, RankingSettings
from retrieval.router import RouterSettings
from retrieval.segments import SegmentSettings
from retrieval.wishes import WishSettings

USUAL = Setup()
EXTRA_WEIGHT = 0.2
"""Of a channel that is off by default, where it is turned on."""
KEYS = 0.57
"""Of the vector channel, what the nearest of all vectors weighs where further ones are on."""
DIVERSITY = 0.3


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A part of the ranking.

    ``switched`` is the usual configuration with the part off, or on where it is off by default. ``alone`` is the part by
    itself: a channel ranks alone, anything else stands on top of vectors and keywords and nothing else.
    """

    name: str
    by_default: bool
    switched: Setup
    alone: Setup | None


def mechanisms() -> list[Mechanism]:
    """Return all mechanisms in the order of the table."""
    return [
        Mechanism("vectors", True, Setup(vectors=False), Setup(alone="vector")),
        Mechanism("keywords", True, _usual(keywords=0.0), Setup(alone="keyword")),
        Mechanism(
            "coverage decides how much keywords weigh",
            True,
            _usual(trusted_coverage=1e-9),
            _bare(trusted_coverage=DEFAULT.trusted_coverage),
        ),
        Mechanism("query in the first person", True, Setup(rewritten=False), replace(BARE, rewritten=True)),
        Mechanism("names that nobody bears", True, Setup(names=False), None),
        Mechanism("further vectors: answer, caption", False, _usual(keys=KEYS), _bare(keys=KEYS)),
        *_surroundings(),
        Mechanism(
            "router: statements rank otherwise", True, _usual(router=ALWAYS_QUESTION), _bare(router=RouterSettings())
        ),
        Mechanism("everything is a statement", False, _usual(router=ALWAYS_STATEMENT), _bare(router=ALWAYS_STATEMENT)),
        Mechanism("statement: turn after", True, _usual(following=0.0), None),
        Mechanism("channel graph", True, _usual(graph=0.0), Setup(alone="graph")),
        Mechanism("granularity by entropy", True, _usual(routes_granularity=False), None),
        Mechanism("course of things: spread over time", True, _usual(segments=None), _bare(segments=SegmentSettings())),
        Mechanism("summaries: whole episodes, openings first", True, _usual(summaries=None), None),
        *_breadth(),
        Mechanism("asked for once and for all", True, _usual(wishes=None), _bare(wishes=WishSettings())),
        *_signals(),
        *(
            Mechanism(f"channel {name}", False, Setup(extra={name: EXTRA_WEIGHT}), Setup(alone=name))
            for name in sorted(FURTHER)
        ),
        Mechanism("newer value above older", True, Setup(updates=False), replace(BARE, updates=True)),
        Mechanism(f"diversity {DIVERSITY}", False, Setup(diversity=DIVERSITY), replace(BARE, diversity=DIVERSITY)),
    ]


def setups() -> dict[str, Setup]:
    """Return every setup to run, by name."""
    found = {"usual": USUAL, "bare": BARE}
    for one in mechanisms():
        found[switched_name(one)] = one.switched
        if one.alone is not None:
            found[alone_name(one)] = one.alone
    return found


def switched_name(mechanism: Mechanism) -> str:
    """Name the setup with a mechanism turned the other way."""
    return f"{'without' if mechanism.by_default else 'with'} {mechanism.name}"


def alone_name(mechanism: Mechanism) -> str:
    """Name the setup that has a mechanism alone."""
    return f"{mechanism.name} alone"


def _usual(**changed: object) -> Setup:
    return Setup(settings=_changed(DEFAULT, changed))


def _bare(**changed: object) -> Setup:
    return replace(BARE, settings=_changed(BARE.settings, changed))


def _changed(settings: RankingSettings, changed: Mapping[str, object]) -> RankingSettings:
    return replace(settings, **changed)  # type: ignore[arg-type]  # names and kinds are those of the dataclass


def _surroundings() -> list[Mechanism]:
    """Return the mechanisms of contiguity: switched off in the usual configuration, alone on the bare one."""
    fields = {
        "turns beside a hit (±1, ±2)": ("beside", "near"),
        "answer to a question that is found": ("answer",),
        "words of the session": ("session_words",),
        "best turn of the session": ("session_best",),
        "session: its words and its best turn": ("session_words", "session_best"),
    }
    none, usual = BARE.settings.contiguity, ContiguitySettings()
    found = []
    for name, parts in fields.items():
        off = replace(DEFAULT.contiguity, **{part: 0.0 for part in parts})
        only = replace(none, **{part: getattr(usual, part) for part in parts})
        found.append(Mechanism(name, True, _usual(contiguity=off), _bare(contiguity=only)))
    return found


LIFT = 0.35  # what the best row of an episode or a topic lends its others, where it does


def _breadth() -> list[Mechanism]:
    """Return what episodes and topics are worth to questions about the course of things."""
    found = []
    for name, parts in (
        ("episodes", ("episode",)),
        ("topics", ("topic",)),
        ("episodes and topics", ("episode", "topic")),
    ):
        lifting = {part: LIFT for part in parts}
        on, only = replace(DEFAULT.breadth, **lifting), replace(BARE.settings.breadth, **lifting)
        label = f"course of things: {name} lift their memories"
        found.append(Mechanism(label, False, _usual(breadth=on), _bare(breadth=only)))
    return found


def _signals() -> list[Mechanism]:
    """Return the signals, one by one."""
    labels = {
        "speaker": "signal: the speaker named said it",
        "elsewhere": "signal: said where the speaker named is not",
        "time": "signal: names a time, for when",
        "date": "signal: the query's date",
        "recency": "signal: the latest or the first asked for",
        "number": "signal: names a number, for how many",
        "length": "signal: longer",
        "asks": "signal: not a question",
        "user": "signal: the user said it",
        "brief": "signal: the assistant said in a few words what was done",
        "statement_asks": "statement: not a question",
        "first_person": "statement: first person",
    }
    found = []
    for part, name in labels.items():
        changed: dict[str, Any] = {part: 0.0}
        off = replace(DEFAULT.priors, **changed)
        only = replace(BARE.settings.priors, **{part: getattr(PriorSettings(), part)})
        # What holds for statements needs the router to get there.
        is_for_statements = part in ("statement_asks", "first_person")
        is_a_share = part == "brief"  # of what the user's words have
        alone = None if is_for_statements or is_a_share else _bare(priors=only)
        found.append(Mechanism(name, True, _usual(priors=off), alone))
    return found
