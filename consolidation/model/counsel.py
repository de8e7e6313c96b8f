"""Ask a model about what rules have planned, and take over what can be checked; without one, or when it fails, rules stand.

Called between loading and applying, with no connection open. What asking has cost is written down at once, in a transaction of
its own: tokens are spent whether or not the plan is applied.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from consolidation.model.asking import Outcome
from consolidation.model.budget import Budget
from consolidation.model.consulting import GoOn, ask_conflicts, ask_facts, ask_gist, ask_links, ask_notes, ask_profile
from consolidation.model.gist_writing import CitedSentence
from consolidation.model.passages import Passage
from consolidation.model.verdicts import ConflictVerdict, Decision
from consolidation.planning import (
    Ask,
    Change,
    Derive,
    Join,
    Merge,
    Put,
    Revise,
    Step,
    Structure,
    Supersede,
    Why,
    one_fate,
)
from consolidation.records import Considered, Record
from consolidation.structure.gist import Source
from consolidation.structure.profiles import OUTDATED, TOLD, cited, name_in, rules_only
from consolidation.zettelkasten.notes import with_wishes
from memory_service.chat_model.protocol import ChatModel
from memory_service.storage.ids import new_id
from memory_service.types import Extract, LinkType

# Kinds of links that say only that two texts are alike; a model may say more of them.
_OPEN: Final = frozenset({LinkType.SIMILAR.value, LinkType.SAME_ENTITY.value})

Account = Callable[[Outcome[Any]], None]


@dataclass(slots=True)
class Counsel:
    """A model, what is left to spend on it, and what it has cost."""

    chat: ChatModel
    budget: Budget
    account: Account
    go_on: GoOn
    usage: dict[str, int] = field(default_factory=dict)

    def turn(self, considered: Sequence[Considered], changes: Sequence[Change], steps: Iterable[Step]) -> list[Change]:
        """Ask about doubts, notes and links of new memories, and for the facts of those whose writer wants them read."""
        wanted = set(steps)
        records = {one.record.id: one.record for one in considered}
        records |= {near.record.id: near.record for one in considered for near in one.neighbours}
        asked = list(changes)
        if Step.CONFLICTS in wanted:
            asked = self._doubts(records, asked)
        gone = {c.duplicate.id for c in asked if isinstance(c, Merge)}
        fresh = [one.record for one in considered if one.record.id not in gone]
        if Step.NOTES in wanted:
            asked = self._notes(fresh, asked) + self._facts(fresh)
        if Step.LINKS in wanted:
            asked = self._links(records, asked)
        return asked

    def _ask(self, outcome: Outcome[Any]) -> None:
        self.budget = outcome.budget
        for name in ("calls", "prompt_tokens", "completion_tokens"):
            self.usage[name] = self.usage.get(name, 0) + getattr(outcome.usage, name)
        self.account(outcome)

    def _doubts(self, records: Mapping[UUID, Record], changes: Sequence[Change]) -> list[Change]:
        """Let the model decide what rules would ask a person; what it is unsure about still goes to one."""
        doubts = {
            _stored_and_new(change): change
            for change in changes
            if isinstance(change, Ask) and len(change.memories) == 2 and all(m.id in records for m in change.memories)
        }
        if not doubts:
            return list(changes)
        pairs = [(_passage(records[old]), _passage(records[new])) for old, new in doubts]
        outcome = ask_conflicts(self.chat, self.budget, pairs, go_on=self.go_on)
        self._ask(outcome)
        decided: dict[int, list[Change]] = {}
        for verdict in outcome.found:
            doubt = doubts[verdict.pair]
            decided[id(doubt)] = _decided(verdict, doubt, records, method=outcome.method_of(verdict.pair))
        return one_fate(one for change in changes for one in decided.get(id(change), [change]))

    def _notes(self, records: Sequence[Record], changes: Sequence[Change]) -> list[Change]:
        """Take title, context, keywords and tags from the model where nobody stated them."""
        outcome = ask_notes(self.chat, self.budget, [_passage(record) for record in records], go_on=self.go_on)
        self._ask(outcome)
        by_id = {record.id: record for record in records}
        notes: dict[UUID, Revise] = {}
        for note in outcome.found:
            record = by_id[note.memory_id]
            said = {
                "title": note.title, "context": note.context, "keywords": list(note.keywords) or None,
                "tags": list(note.tags) or None,
            }  # fmt: skip
            free = {name: value for name, value in said.items() if value and _may_fill(record, name)}
            if free:
                why = Why(Step.NOTES, f"filled {', '.join(free)}", method=outcome.method_of(record.id))
                notes[record.id] = Revise(record.ref, free, why, in_place=True)
        kept = [c for c in changes if not (isinstance(c, Revise) and c.in_place and c.memory.id in notes)]
        fills = {c.memory.id: c for c in changes if isinstance(c, Revise) and c.in_place and c.memory.id in notes}
        merged = [_with_rules(note, fills[i].fields if i in fills else {}) for i, note in notes.items()]
        return [*merged, *kept]

    def _facts(self, records: Sequence[Record]) -> list[Change]:
        """Derive a memory from each fact that the model reads in texts whose writer asked for it."""
        asked = [record for record in records if record.extract == Extract.LLM]
        if not asked:
            return []
        by_id = {record.id: record for record in asked}
        outcome = ask_facts(self.chat, self.budget, [_passage(record) for record in asked], go_on=self.go_on)
        self._ask(outcome)
        derived: list[Change] = []
        for fact in outcome.found:
            parents = [by_id[i] for i in dict.fromkeys(one.memory_id for one in fact.evidence)]
            latest = max(parents, key=lambda record: (record.observed_at, record.id))
            if len({(parent.user_id, parent.agent_id) for parent in parents}) > 1:
                continue  # What two users said is not one fact about either.
            fields = {
                "user_id": latest.user_id, "agent_id": latest.agent_id, "session_id": latest.session_id,
                "observed_at": latest.observed_at, "confidence": fact.trust,
                "value": {"subject": fact.subject, "attribute": fact.attribute, "value": fact.value},
            }  # fmt: skip
            derived.append(
                Derive(
                    new_id(),
                    fact.sentence,
                    tuple(parent.ref for parent in parents),
                    Why(Step.NOTES, "a fact", fact.trust, outcome.model or "rules"),
                    fields=fields,
                    spans=tuple((one.memory_id, *one.span) for one in fact.evidence),
                )
            )
        return derived

    def _links(self, records: Mapping[UUID, Record], changes: Sequence[Change]) -> list[Change]:
        """Let the model say how linked memories are related; a link that it sees no reason for is not drawn."""
        open_links = {
            (c.source, c.target): c
            for c in changes
            if isinstance(c, Join) and c.type in _OPEN and c.source in records and c.target in records
        }
        if not open_links:
            return list(changes)
        pairs = [(_passage(records[source]), _passage(records[target])) for source, target in open_links]
        outcome = ask_links(self.chat, self.budget, pairs, go_on=self.go_on)
        self._ask(outcome)
        verdicts = {verdict.pair: verdict for verdict in outcome.found}
        kept: list[Change] = []
        for change in changes:
            verdict = verdicts.get((change.source, change.target)) if isinstance(change, Join) else None
            if not isinstance(change, Join) or verdict is None or change.type not in _OPEN:
                kept.append(change)
            elif verdict.type is not None:
                why = replace(change.why, method=outcome.method_of(verdict.pair))
                kept.append(replace(change, type=verdict.type.value, why=why))
        return kept

    def gists(self, changes: Sequence[Change], sources: Callable[[Put], Sequence[Source]]) -> list[Change]:
        """Let the model write the gists that rules would quote together; its sentences cite the places they come from.

        A profile in which only cited texts have changed stays until somebody answers, or the model would never be asked again.
        """
        written: list[Change] = []
        for change in changes:
            if isinstance(change, Put) and change.structure is Structure.GIST and self.go_on():
                written.append(self._gist(change, sources(change)))
            elif isinstance(change, Put) and change.structure is Structure.PROFILE:
                profile = self._profile(change, sources(change)) if self.go_on() else None
                if profile is not None or change.why.reason != OUTDATED:
                    written.append(profile or change)
            else:
                written.append(change)
        return written

    def _gist(self, change: Put, sources: Sequence[Source]) -> Put:
        outcome = ask_gist(self.chat, self.budget, [_quoted(source) for source in sources], go_on=self.go_on)
        self._ask(outcome)
        if not outcome.found or outcome.model is None:
            return change
        spans = _spans(outcome.found, sources)
        values = {
            **change.values,
            "text": " ".join(sentence.text for sentence in outcome.found),
            "spans": spans,
            "method": outcome.model,
            "members": sorted({UUID(span[0]) for span in spans}),
        }
        return replace(change, values=values, why=replace(change.why, method=outcome.model))

    def _profile(self, change: Put, sources: Sequence[Source]) -> Put | None:
        """Put what the model tells of a person behind the lines that rules made, in place of what it told before.

        None where there was something to ask and nobody answered.
        """
        passages = [_quoted(source) for source in sources]
        if not passages:
            return change
        person = name_in(((source.speaker, source.role) for source in sources), change.values["user_id"])
        outcome = ask_profile(self.chat, self.budget, person, passages, go_on=self.go_on)
        self._ask(outcome)
        if not outcome.replies:
            return None
        if not outcome.found or outcome.model is None:
            return change
        lines = rules_only(change.values["lines"])
        for sentence in outcome.found:
            spans = _spans([sentence], sources)
            ids = sorted({span[0] for span in spans})
            line = {"section": TOLD, "kind": sentence.kind, "text": sentence.text, "spans": spans, "memory_ids": ids}
            lines.append({**line, "method": outcome.model})
        values = {**change.values, "lines": lines, "members": cited(lines)}
        return replace(change, values=values, why=replace(change.why, method=outcome.model))


def _passage(record: Record) -> Passage:
    return Passage(
        record.id, record.content, speaker=record.speaker, observed_at=record.observed_at, trust=record.trust,
        language=record.language,
    )  # fmt: skip


def _quoted(source: Source) -> Passage:
    return Passage(
        source.id, source.content, speaker=source.speaker, observed_at=source.observed_at, language=source.language
    )


def _spans(sentences: Iterable[CitedSentence], sources: Sequence[Source]) -> list[list[Any]]:
    versions = {source.id: source.version for source in sources}
    cited = dict.fromkeys((one.memory_id, *one.span) for sentence in sentences for one in sentence.citations)
    return [[str(memory_id), versions[memory_id], start, end] for memory_id, start, end in cited]


def _with_rules(note: Revise, by_rules: Mapping[str, Any]) -> Revise:
    """Let rules fill what the model left open, and say alone what is a wish."""
    fields = {**by_rules, **note.fields}
    if "tags" in note.fields:
        fields["tags"] = with_wishes(note.fields["tags"], by_rules.get("tags", ()))
    return replace(note, fields=fields)


def _may_fill(record: Record, name: str) -> bool:
    return name in record.computed or not getattr(record, name)


def _stored_and_new(ask: Ask) -> tuple[UUID, UUID]:
    """Return the older and the newer memory of a question: who goes and who stays depends on what is proposed."""
    goes, stays = ask.memories
    return (stays.id, goes.id) if ask.proposal == "merge" else (goes.id, stays.id)


def _decided(verdict: ConflictVerdict, doubt: Ask, records: Mapping[UUID, Record], *, method: str) -> list[Change]:
    """Return what a verdict on a doubt changes."""
    old, new = records[verdict.pair[0]], records[verdict.pair[1]]
    why = Why(Step.CONFLICTS, f"a model: {verdict.decision.value}", doubt.why.score, method)
    if old.pinned or (new.pinned and verdict.decision is Decision.DUPLICATE):
        return [replace(doubt, why=why)]  # What somebody pinned is for a person to decide.
    match verdict.decision:
        case Decision.DUPLICATE if new.outlasts(old) or new.trust > old.trust:
            return []  # With the old one it would end, or be believed less.
        case Decision.DUPLICATE:
            return [Merge(new.ref, old.ref, why)]
        case Decision.SUPERSEDE:
            return [Supersede(old.ref, new.ref, new.valid_from or new.observed_at, why)]
        case Decision.ADD:
            return []
        case _:
            return [replace(doubt, why=why)]
