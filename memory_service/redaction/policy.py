"""A redaction policy: rules in their order, read leniently with everything that is wrong named. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from memory_service.redaction.finders import FINDERS
from memory_service.redaction.national_ids import COUNTRIES
from memory_service.redaction.patterns import MAX_PATTERN, fault_of
from memory_service.redaction.phones import MAX_REGIONS, REGIONS

MAX_RULES: Final = 32
MAX_NAME: Final = 32
NAME: Final = re.compile(r"[a-z][a-z0-9_]*\Z")
_FIELDS: Final = frozenset({"find", "pattern", "name", "do", "regions"})
# Finders that look for what countries hand out, and which countries each knows.
_REGIONS_OF: Final[Mapping[str, frozenset[str]]] = {"phone": REGIONS, "national_id": COUNTRIES}


class Do(StrEnum):
    """What is done about a value that a rule finds."""

    MASK = "mask"
    HASH = "hash"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for, by a finder or a pattern of the policy's own, and what is done about it."""

    name: str  # stands in the place of what is masked, and in counts
    do: Do
    find: str | None = None
    pattern: str | None = None
    regions: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Return what finds it: the name of the finder, or `pattern`; of these there are few, so metrics may count by it."""
        return self.find or "pattern"

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept and shown."""
        looks = {"pattern": self.pattern, "name": self.name} if self.find is None else {"find": self.find}
        named = {"name": self.name} if self.find is not None and self.name != self.find else {}
        return {**looks, **named, "do": self.do.value, **({"regions": list(self.regions)} if self.regions else {})}


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """What must not be stored in a namespace; without rules everything may."""

    rules: tuple[Rule, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it whole, as it is kept and shown."""
        return {"rules": [rule.to_json() for rule in self.rules]}


NONE: Final = RedactionPolicy()


def read_redaction(said: Mapping[str, Any]) -> tuple[RedactionPolicy, list[tuple[str, str]]]:
    """Read a policy leniently, with everything that is wrong named: (pointer, what) each.

    >>> policy, wrong = read_redaction({"rules": [{"find": "email", "do": "mask"},
    ...     {"pattern": "EMP-[0-9]{6}", "name": "employee", "do": "hash"}]})
    >>> [(rule.name, rule.do.value) for rule in policy.rules], wrong
    ([('email', 'mask'), ('employee', 'hash')], [])
    >>> read_redaction({"rules": [{"find": "ghost", "do": "burn"}, {"pattern": "(", "do": "mask"}]})[1][0][0]
    '/rules/0/find'
    """
    wrong = [(f"/{str(name)[:40]}", "is no field of a redaction policy") for name in said if name != "rules"]
    listed = said.get("rules", [])
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return NONE, [*wrong, ("/rules", "is no list")]
    if len(listed) > MAX_RULES:
        return NONE, [*wrong, ("/rules", f"has {len(listed):,} rules; a policy has {MAX_RULES} at most")]
    rules, names = [], set()
    for place, one in enumerate(listed):
        rule, faults = _read_rule(one)
        wrong += [(f"/rules/{place}{pointer}", what) for pointer, what in faults]
        if rule is None or faults:
            continue
        if rule.name in names:
            wrong.append(
                (f"/rules/{place}/name", f"is {rule.name}, as another rule is named; counts could not tell them apart")
            )
        names.add(rule.name)
        rules.append(rule)
    return RedactionPolicy(tuple(rules)), wrong


def _read_rule(said: Any) -> tuple[Rule | None, list[tuple[str, str]]]:
    if not isinstance(said, Mapping):
        return None, [("", "is no object")]
    wrong = [(f"/{str(name)[:40]}", "is no field of a rule") for name in said if name not in _FIELDS]
    find, pattern, name, do = (said.get(field) for field in ("find", "pattern", "name", "do"))
    if (find is None) is (pattern is None):
        wrong.append(("", "says either `find` or `pattern`"))
    if find is not None and not (isinstance(find, str) and find in FINDERS):
        wrong.append(("/find", f"is none of {', '.join(sorted(FINDERS))}"))
        find = None
    if pattern is not None:
        fault = fault_of(pattern) if isinstance(pattern, str) else f"is no text of at most {MAX_PATTERN} characters"
        wrong += [("/pattern", fault)] if fault else []
        if name is None:
            wrong.append(("/name", "is missing: it stands in the place of what the pattern finds"))
    if name is not None and not (isinstance(name, str) and len(name) <= MAX_NAME and NAME.match(name)):
        wrong.append(
            ("/name", f"is no word of a-z, 0-9 and _ of at most {MAX_NAME} characters that begins with a letter")
        )
    elif isinstance(name, str) and name in FINDERS and name != find:
        wrong.append(("/name", f"is the name of the finder {name}"))
    if not (isinstance(do, str) and do in set(Do)):
        wrong.append(("/do", f"is none of {', '.join(Do)}"))
    regions, about_regions = _read_regions(said.get("regions"), find)
    wrong += about_regions
    if wrong:
        return None, wrong
    return Rule(str(name or find), Do(str(do)), find, pattern, regions), wrong


def _read_regions(said: Any, find: Any) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    if said is None:
        return (), []
    known = _REGIONS_OF.get(find) if isinstance(find, str) else None
    if known is None:
        return (), [("/regions", f"go with {' and '.join(_REGIONS_OF)} only")]
    if not isinstance(said, Sequence) or isinstance(said, str) or len(said) > MAX_REGIONS:
        return (), [("/regions", f"is no list of at most {MAX_REGIONS} countries")]
    wrong = [
        (f"/regions/{place}", "is no country that this finder knows, in two capital letters such as DE")
        for place, one in enumerate(said)
        if not (isinstance(one, str) and one in known)
    ]
    return (() if wrong else tuple(dict.fromkeys(said))), wrong
