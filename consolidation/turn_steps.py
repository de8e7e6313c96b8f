"""The steps of the turn tier over memories that are new: what repeats or replaces what, notes, links. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from consolidation.conflicts.plan import plan_conflicts
from consolidation.planning import Ask, Change, ReviewKind, Step, Why, leaves_results
from consolidation.records import Considered
from consolidation.zettelkasten.evolution import one_revision_each, plan_evolution
from consolidation.zettelkasten.linking import plan_links
from consolidation.zettelkasten.notes import plan_notes
from consolidation.zettelkasten.vocabulary import Vocabulary
from memory_service.analysis.facts import Fact
from memory_service.analysis.trust import needs_review


def plan_turn(
    considered: Sequence[Considered],
    facts: Mapping[UUID, Sequence[Fact]],
    *,
    steps: Collection[Step],
    now: datetime,
) -> list[Change]:
    """Plan the steps of the turn tier, each on top of the one before.

    Args:
        considered: memories that are new to consolidation, with what is near them.
        facts: what their texts state, and those of their neighbours.
        steps: which steps are wanted.
        now: the moment of the run.
    """
    changes: list[Change] = []
    vocabulary = Vocabulary()
    if Step.CONFLICTS in steps:
        changes += plan_conflicts(considered, facts, now=now)
        changes += _doubtful(considered)
    gone = leaves_results(changes)
    notes: list[Change] = []
    if Step.NOTES in steps:
        # What nobody stated is filled in place (docs/adr/0008); only what neighbours bring later makes a version.
        notes = plan_notes(considered, without=gone, vocabulary=vocabulary)
    links: list[Change] = []
    if Step.LINKS in steps:
        links = plan_links(considered, now, without=gone, vocabulary=vocabulary)
        links += plan_evolution(considered, links, revised=notes, without=gone, vocabulary=vocabulary)
    return one_revision_each([*changes, *notes, *links])


def _doubtful(considered: Sequence[Considered]) -> list[Change]:
    """Have a person look at texts that are trusted little: instructions in what tools and documents brought."""
    why = Why(Step.CONFLICTS, "little trust")
    return [
        Ask(ReviewKind.LOW_TRUST, (one.record.ref,), "archive", replace(why, score=one.record.trust))
        for one in considered
        if needs_review(one.record.trust, one.record.state)
    ]
