"""The steps that build structures over memories: load, plan, and give back the changes; nothing is written here.

All of them read the namespace as of `Place.now`, and plan nothing where nothing has changed since they were last applied.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from consolidation.planning import Change, End, Put, Step, Structure
from consolidation.structure import loading
from consolidation.structure.communities import find_communities, plan_communities
from consolidation.structure.episodes import plan_episodes
from consolidation.structure.gist import Source, Target, Written, plan_gists
from consolidation.structure.loading import Place
from consolidation.structure.profiles import (
    DEFAULT,
    Happening,
    KnownFact,
    Said,
    User,
    known_facts,
    plan_profiles,
    told_of,
)
from consolidation.structure.topic_tree import LEAF
from consolidation.structure.topics import Item, TopicRow, grown, plan_topics
from consolidation.zettelkasten.co_recall import plan_co_recalls
from memory_service.analysis.facts import facts
from memory_service.storage import structure
from memory_service.storage.co_recalls import load_co_recalls
from memory_service.storage.ids import new_id

_TARGETS_TOGETHER: Final = 500


def episode_changes(place: Place) -> list[Change]:
    """Cut the sessions that changed into episodes, and write the gists of those that are new or others than before."""
    changes: list[Change] = []
    for session in loading.sessions_to_cut(place):
        changes += plan_episodes([session], new_id=new_id)
    return changes + _gists(place, changes, Structure.EPISODE, Step.EPISODES)


def topic_changes(place: Place) -> list[Change]:
    """Let memories without a topic fall into the tree, and write the gists of topics that changed and of those above."""
    rows = loading.topic_rows(place)
    wanted, gone = loading.without_topic(place), loading.gone_from_topics(place)
    vectors = loading.mean_vectors(place, wanted)
    changes: list[Change] = []
    if vectors or gone:
        dimension = len(next(iter(vectors.values()))) if vectors else _dimension(rows)
        tree = grown(rows, dimension=dimension)
        lost = set(gone)
        near = [leaf for leaf in tree.leaves() if lost.intersection(leaf.members)] + tree.crowded(vectors.values())
        beside = {member for leaf in near for member in leaf.members} - lost
        known = loading.mean_vectors(place, loading.versions_of(place, beside))
        items = [Item(id, vector) for id, vector in vectors.items()]
        changes = plan_topics(tree, items, gone=gone, vectors=known, new_id=new_id)
    return changes + _topic_gists(place, rows, changes)


def community_changes(place: Place) -> list[Change]:
    """Find the communities of the namespace anew, and write those that changed, with their gists."""
    mentions, links, memories = loading.associations(place)
    found = find_communities(mentions, links, memories=memories)
    changes = plan_communities(found, loading.communities(place), new_id=new_id)
    return changes + _gists(place, changes, Structure.COMMUNITY, Step.COMMUNITIES)


def profile_changes(place: Place) -> list[Change]:
    """Write the profiles of users of whom something is known: what their memories state, and their latest episodes."""
    known, before = _facts(place), loading.profiles(place)
    lately = _with_planned(place, loading.happenings(place, latest=DEFAULT.episodes), latest=DEFAULT.episodes)
    versions = loading.standing(place, told_of(line for _, lines in before.values() for line in lines))
    users = []
    for user_id in sorted(known.keys() | lately.keys() | before.keys()):
        profile_id, lines = before.get(user_id, (None, []))
        users.append(User(user_id, known.get(user_id, ()), lately.get(user_id, ()), profile_id, lines, versions))
    return plan_profiles(users, now=place.now, new_id=new_id)


def _facts(place: Place) -> dict[str, list[KnownFact]]:
    """Read what the memories of every user state."""
    said: dict[str, list[Said]] = {}
    ending = place.ending
    for row in loading.statements(place):
        found = facts(
            row.content, speaker=row.speaker, role=row.role, language=row.language, observed_at=row.observed_at
        )
        if found:
            ends = [moment for moment in (row.valid_to, ending.get(row.id)) if moment is not None]
            until = min(ends, default=None)
            said.setdefault(row.user_id, []).append(Said(row.id, row.observed_at, found, until, row.content_version))
    return {user: known_facts(some) for user, some in said.items()}


def _with_planned(
    place: Place, stored: Mapping[str, Sequence[Happening]], *, latest: int
) -> dict[str, list[Happening]]:
    """Return the latest episodes of users as they are once the run is applied."""
    puts = [change for change in place.planned if isinstance(change, Put)]
    changed = {change.id for change in place.planned if isinstance(change, Put | End)}
    episodes = {change.id: change.values for change in puts if change.structure is Structure.EPISODE}
    gists = {c.values["target_id"]: c.values for c in puts if c.structure is Structure.GIST}
    found = {user: [one for one in some if one.episode_id not in changed] for user, some in stored.items()}
    for id, values in episodes.items():
        gist, user = gists.get(id), values["user_id"]
        if gist is not None and user is not None:
            happening = Happening(id, values["ends"], gist["text"], loading.spans_of(gist["spans"]))
            found.setdefault(user, []).append(happening)
    newest = {user: sorted(some, key=lambda one: (one.ends, one.episode_id)) for user, some in found.items()}
    return {user: some[-latest:] for user, some in newest.items() if some}


def co_recall_changes(place: Place) -> list[Change]:
    """Strengthen the links of memories that were of use together, and let those fade that nobody used since."""
    with place.open() as transaction:
        known = load_co_recalls(transaction, place.tenant_id, place.namespace.id, None)
    return plan_co_recalls(replace(known, live=known.live - place.leaving), place.now)


def sources_of(place: Place, change: Put) -> list[Source]:
    """Return the memories that a gist or profile is about: those of its target as planned, or as stored; or those it quotes."""
    target = change.values.get("target_id", change.id)
    planned = [one for one in place.planned if isinstance(one, Put) and one.id == target]
    members = planned[-1].values["members"] if planned else ()
    if not members:
        with place.open() as transaction:
            members = structure.members_of(transaction, place.tenant_id, [target]).get(target, ())
    members = members or change.values["members"]
    if change.structure is Structure.PROFILE:
        # A profile says what holds: what another memory took the place of would be told, and struck out by the next run.
        members = list(loading.standing(place, members))
    return list(loading.sources(place, members).values())


STEPS: Final[Mapping[Step, Callable[[Place], list[Change]]]] = {
    Step.CO_RECALLS: co_recall_changes,
    Step.EPISODES: episode_changes,
    Step.TOPICS: topic_changes,
    Step.COMMUNITIES: community_changes,
    Step.PROFILES: profile_changes,
}


def _gists(place: Place, changes: Iterable[Change], kind: Structure, step: Step) -> list[Change]:
    """Plan the gists of what a plan puts, and of what is there without one or with an outdated one."""
    members, ended = _put_and_ended(changes, kind)
    wanted = {**loading.outdated_targets(place, kind.value), **members}
    wanted = {id: some for id, some in wanted.items() if id not in ended}
    written = loading.written_gists(place, kind.value)
    found: list[Change] = []
    ids = sorted(wanted)
    for start in range(0, len(ids), _TARGETS_TOGETHER):
        some = ids[start : start + _TARGETS_TOGETHER]
        sources = loading.sources(place, {one for id in some for one in wanted[id]})
        targets = [Target(kind, id, _of(sources, wanted[id])) for id in some]
        found += plan_gists(targets, written, step=step, new_id=new_id)
    return found + plan_gists([], written, step=step, ended=ended, new_id=new_id)


def _topic_gists(place: Place, rows: Sequence[TopicRow], changes: Iterable[Change]) -> list[Change]:
    """Plan the gists of changed leaves from their memories, and of those above from what is quoted below."""
    changes = list(changes)
    planned = _gists(place, [c for c in changes if _is_leaf_or_end(c)], Structure.TOPIC, Step.TOPICS)
    # What a topic without members quotes comes from below, so it is planned here, level by level.
    inner = {row.id for row in rows if row.level > LEAF}
    level = {row.id: row.level for row in rows}
    parent = {row.id: row.parent_id for row in rows}
    for change in changes:
        if isinstance(change, Put) and change.structure is Structure.TOPIC:
            level[change.id], parent[change.id] = change.values["level"], change.values["parent_id"]
            if change.values["level"] > LEAF:
                inner.add(change.id)
    _, ended = _put_and_ended(changes, Structure.TOPIC)
    inner -= ended
    written = loading.written_gists(place, Structure.TOPIC.value)
    quoted = {target: _members(one) for target, one in written.items() if target not in ended}
    touched = {change.id for change in changes if isinstance(change, Put) and change.structure is Structure.TOPIC}
    for change in planned:
        if isinstance(change, Put):
            quoted[change.values["target_id"]] = change.values["members"]
            touched.add(change.values["target_id"])
    children: dict[UUID, list[UUID]] = {}
    for id in sorted(level.keys() - ended):
        above = parent[id]
        if above is not None:
            children.setdefault(above, []).append(id)
    for height in range(LEAF + 1, max(level.values(), default=LEAF) + 1):
        due = sorted(
            id for id in inner
            if level[id] == height and (id in touched or id not in written or touched.intersection(children.get(id, ())))
        )  # fmt: skip
        below = {id: [one for child in children.get(id, ()) for one in quoted.get(child, ())] for id in due}
        sources = loading.sources(place, {one for some in below.values() for one in some})
        targets = [Target(Structure.TOPIC, id, _of(sources, below[id])) for id in due]
        for change in plan_gists(targets, written, step=Step.TOPICS, new_id=new_id):
            planned.append(change)
            if isinstance(change, Put):
                quoted[change.values["target_id"]] = change.values["members"]
                touched.add(change.values["target_id"])
    return planned


def _is_leaf_or_end(change: Change) -> bool:
    return isinstance(change, End) or (isinstance(change, Put) and change.values.get("level") == LEAF)


def _put_and_ended(changes: Iterable[Change], kind: Structure) -> tuple[dict[UUID, Sequence[UUID]], set[UUID]]:
    members: dict[UUID, Sequence[UUID]] = {}
    ended: set[UUID] = set()
    for change in changes:
        if isinstance(change, Put) and change.structure is kind:
            members[change.id] = change.values["members"]
        elif isinstance(change, End) and change.structure is kind:
            ended.add(change.id)
    return members, ended


def _of(sources: Mapping[UUID, Source], ids: Iterable[UUID]) -> list[Source]:
    """Return sources in the order in which they were read: that of time."""
    wanted = set(ids)
    return [source for id, source in sources.items() if id in wanted]


def _members(gist: Written) -> list[UUID]:
    return sorted({span[0] for span in gist.spans})


def _dimension(rows: Sequence[TopicRow]) -> int:
    return next((len(b64decode(row.centroid)) // 2 for row in rows if row.centroid is not None), 0)
