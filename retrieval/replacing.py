"""Say whether one short statement takes the place of another: "I moved to Porto" of "I live in Lisbon". Pure.

Similarity cannot say which of two statements still holds, and values alone (`updates`) only where both hold one beside the
same words. Three things else tell:

- *facts*: both give a value of the same attribute of the same subject, which holds one at a time, and it is asked for;
- *ends*: the later one says that something the earlier one names is over: "sold the Civic", "left Northwind", "switched
  from VS Code to Neovim";
- *changes*: the later one says that something changed, or gives another value of the same kind; it shares words with the
  earlier one and lacks no word of the query that the earlier one has, but for verbs of everyday life.

Who is spoken of must be the same, and what is asked, wished, quoted, past or so for a while takes no place. Read for questions
after what is so now only. It moves results and hides none, so it dares more than consolidation does, which supersedes
(`consolidation.conflicts`). English only.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from memory_service.analysis.facts import Fact, facts
from memory_service.analysis.facts.attributes import FAMILY, FUNCTIONAL, ROLES_OF_PEOPLE
from memory_service.analysis.facts.mood import clauses, readable
from memory_service.analysis.facts.values import Value, read_values, same_value
from memory_service.analysis.facts.wording import content_words
from memory_service.analysis.sentences import sentences
from memory_service.analysis.times.reading import words_in
from memory_service.analysis.tokens import MONTHS, ROLES, UNKNOWN_LANGUAGE, cut_language

LONGEST: Final = 600  # characters of a text that is read; a longer one says many things
NEAR: Final = 0.35  # cosine of two statements at least, for what ends another
ABOUT_THE_SAME: Final = 0.45  # and for what says that something changed

_USER: Final = frozenset(content_words("user users"))
"""Whom notes of agents are about: as a word it says nothing."""
_LIGHT: Final = frozenset(
    content_words(
        "use work go goes going run make take live store keep have drive attend deploy see stay come do eat pay call play study "
        "wear train own prefer lead old"
    )
)
"""Words, verbs mostly, that the statement of a change does without."""
_RELATIONS: Final = frozenset(content_words(" ".join(ROLES_OF_PEOPLE)))
_ENDS: Final = re.compile(
    r"\b(?:(?:switch|mov|migrat|chang|transition|convert|upgrad|downgrad|went|relocat)\w*\s+(?:\w+\s+){0,4}?(?:away\s+)?from"
    r"|replac(?:ed|ing)|left|quit|resigned from|sold|selling|traded(?: in)?|cancel+ed|unsubscribed from|stopped|"
    r"gave up|given up|withdr[ae]wn? from|dropped out of|pulled out of|dropped|"
    r"ditched|got rid of|returned|retired|deprecated|decommissioned|shut down|closed|"
    r"no longer|don['’]?t|doesn['’]?t|not|instead of|broke up(?: with)?|split up(?: with)?|divorced(?: from)?|moved out of)"
    r"\s+(?P<what>[^.;!?\n]{2,60})",
    re.IGNORECASE,
)
_PASSIVE: Final = re.compile(
    r"\s(?:(?:has|have) been|was|were|is|are|got)\s+(?:\w+ly\s+)?"
    r"(?:replaced|cancel+ed|sold|retired|deprecated|decommissioned|shut down|discontinued|over|gone)\b|\s(?:broke|split) up\b",
    re.IGNORECASE,
)
_LEAVING: Final = re.compile(r"[^\W\d_a-z][\w&'’-]+\b(?! (?:early|late|at \d|for lunch|this|today)\b)")
# Where what is over ends: "sold the Civic | in May", "the projector | in room 4".
_REST: Final = re.compile(
    r"[:,]|\b(?:to|and|but|for|because|with|so|in|at|on|early|this|today|yesterday|last|when|after|since|as|over)\b",
    re.IGNORECASE,
)
_OWN: Final = frozenset(words_in("i i've i'm we we've we're my our user me us both"))
_HIMSELF: Final = frozenset(words_in("i we user"))
_FILLERS: Final = frozenset(
    words_in("and so then finally just also have has had 've the a an to of now recently that well ok in on last")
)
_BEFORE: Final = 60  # characters before a passive in which stands what is over
# A denial tells the end of a thing only with one of these.
_DENIES: Final = re.compile(r"\b(?:don['’]?t|doesn['’]?t|not)\Z", re.IGNORECASE)
_ANY_MORE: Final = re.compile(r"\b(?:any ?more|any longer)\b", re.IGNORECASE)
_CHANGES: Final = re.compile(
    r"\b(?:now|nowadays|these days|new|newly|as of|from now on|switched|changed|moved|relocated|raised|increased|decreased|"
    r"reduced|lowered|cut|extended|postponed|delayed|rescheduled|pushed|brought forward|shifted|promoted|updated|upgraded|"
    r"downgraded|replaced|renamed|dropped|grew|grown|(?:up|down|back) (?:to|from)|went (?:up|down)|became|adjusted|revised|"
    r"bumped|currently|recently|just (?:got|started|became|turned)|started|signed|"
    r"married|divorced|upgrade|migration|migrated|extension|handed|instead|joined|any ?more|no longer|took over)\b",
    re.IGNORECASE,
)
_NOT_QUITE: Final = re.compile(
    r"\b(?:never|almost|nearly|about to|(?:have|has|had|did)(?:n['’]t| not))\s+(?:\w+\s+)?"
    r"(?:\w+ed|quit|quitting|left|sold|gave|given|move|leave|"
    r"stop|switch|cancel|sell|become)\b",
    re.IGNORECASE,
)
# A value that is none of now: what was, what is so in general, what is allowed.
_OTHERWISE: Final = re.compile(
    r"\b(?:used to|ago|back in|back then|last (?:night|year|month|week)|average|maximum|minimum|usually costs?|"
    r"(?:was|were)(?! (?:set|cut|\w+ed)\b)|did)\b",
    re.IGNORECASE,
)
# What is so for a while, or in a story.
_FOR_A_WHILE: Final = re.compile(
    r"\b(?:until|for (?:a|the) (?:day|week|weekend|month|summer|winter|holidays?|term)|"
    r"in (?:the|a|my) (?:game|book|novel|film|movie|story|dream)|"
    r"when i was|as a (?:kid|child|student)|years ago|back in|these two weeks)\b",
    re.IGNORECASE,
)
_ENGLISH: Final = frozenset({"en", UNKNOWN_LANGUAGE})
_SWITCHES: Final = re.compile(r"\b(?:switch|chang|mov|transfer)\w*\s+(?:over\s+)?to\b", re.IGNORECASE)
_ALIKE: Final = 0.6  # cosine of two statements of which the later one does not name what changed
# What comes beside the old one, and what is so for once.
_BESIDE: Final = re.compile(
    r"\b(?:too|also|as well|another|second|additional(?:ly)?|extra|besides|opened|side project|for (?:a|the) (?:day|week|weekend)|"
    r"tonight|tomorrow|this (?:morning|afternoon|evening|week|weekend|time|once)|just this|temporarily|only once)\b",
    re.IGNORECASE,
)
_HOLDER: Final = re.compile(
    r"\b(?:my|our|his|her|their|the|user['’]s)\s+(?:\w+\s+)?"
    rf"(?P<relation>{'|'.join(sorted(ROLES_OF_PEOPLE, key=len, reverse=True))})\b"
    r"(?!['’]s\s+(?:new|old)\b)",
    re.IGNORECASE,
)
# A sentence begins with whom it is about: "Tom's manager", "My sister", "Tom moved". What else has a capital there is no name.
_BEGINNING: Final = re.compile(
    r"\W*(?:(?:[Tt]he user['’]s|[Uu]ser['’]s|[Mm]y|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir|[Tt]he)\s+(?:[\w-]+\s+){1,2}|"
    r"(?:\w+['’]?\w*\s+){0,2}?\w+['’]s\b|"
    r"[^\W\d_a-z][\w-]+\s+(?=(?:and|is|was|has|had|now|just|recently|moved|switched|started|changed|got|bought|joined|left|says|"
    r"went|took|became|signed)\b))"
)
_OWNED: Final = re.compile(
    r"\W*(?:[\w-]+(?: [\w-]+)?['’]s|[Mm]y|[Oo]ur) (?P<what>[\w-]+(?: (?!is\b|was\b|has\b)[\w-]+)?)"
)
_MAY_HOLD_VALUES: Final = re.compile(
    r"\d|@|day\b|\b(?:two|three|four|five|six|seven|eight|nine|ten|\w+teen|\w+ty|\w*first|second|\w*third|\w+th|dozen|hundred|"
    r"thousand|half|quarter|noon|midnight)\b",
    re.IGNORECASE,
)
"""Quick to tell that there is nothing to read."""
_NAME: Final = re.compile(r"(?<=[\w,;:'’\")] )[^\W\d_a-z][\w-]+")
_CALENDAR: Final = frozenset({name.lower() for names in MONTHS.values() for name in names}) | frozenset(
    f"{day}day{s}" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun") for s in ("", "s")
)
_CAPITAL: Final = re.compile(r"\b[^\W\d_a-z][\w-]+")


@dataclass(frozen=True, slots=True)
class _End:
    """One thing that is over: its last word, all of them, and who ends it, as the clause says before."""

    head: str
    words: frozenset[str]
    who: str


def _end(what: str, who: str) -> _End:
    words = [one for one in content_words(what) if one not in _USER]
    return _End(words[-1] if words else "", frozenset(words), who)


@dataclass(frozen=True)
class Said:
    """A short text, read as far as somebody asks."""

    text: str
    speaker: str | None  # a name or a role
    language: str | None

    @cached_property
    def stated(self) -> str:
        """What it states: no quotation, no code, no question, nothing that is wished or supposed."""
        return ". ".join(one.text for one in clauses(readable(self.text)) if not (one.asks or one.supposes))

    @cached_property
    def plain(self) -> str:
        """What it states, where it may tell an end or a change."""
        tells = _CHANGES.search(self.text) or _ENDS.search(self.text) or _PASSIVE.search(self.text)
        return self.stated if tells and _NOT_QUITE.search(self.text) is None else ""

    @cached_property
    def changes(self) -> bool:
        """Whether it says that something changed."""
        return _CHANGES.search(self.plain) is not None

    @cached_property
    def beside(self) -> bool:
        """Whether it says that what it tells comes beside something else, or is so for once."""
        return _BESIDE.search(self.text) is not None

    @cached_property
    def words(self) -> frozenset[str]:
        """Its content words, stemmed."""
        return frozenset(content_words(readable(self.text), self.language or "en")) - _USER

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Its numbers, dates, amounts."""
        return read_values(self.stated) if _MAY_HOLD_VALUES.search(self.text) else ()

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What it states as subject, attribute and value."""
        role = self.speaker if self.speaker is not None and self.speaker.casefold() in ROLES else None
        return facts(self.text, speaker=None if role else self.speaker, role=role, language=self.language)

    @property
    def spoken(self) -> str:
        """The language whose rules read it."""
        return cut_language(self.language) if self.language else UNKNOWN_LANGUAGE

    @cached_property
    def names(self) -> frozenset[str]:
        """Words with a capital within its sentences that are no dates, in small letters."""
        found = {one.lower() for one in _NAME.findall(self.stated)}
        return frozenset(found - _OPENERS - _every_word(" ".join(one.text for one in self.values)) - _CALENDAR)

    @cached_property
    def about(self) -> frozenset[str]:
        """Whom else the sentence of its change begins with: relations and names, in small letters."""
        parts = [one.text.strip() for one in sentences(self.plain or self.text)]
        change = next((one for one in parts if _CHANGES.search(one)), parts[0] if parts else "")
        begins = _BEGINNING.match(change)
        return _people_in(begins.group()) if begins else frozenset()

    @cached_property
    def ended(self) -> tuple[_End, ...]:
        """What it says is over."""
        found = []
        for one in _ENDS.finditer(self.plain):
            before = self.plain[: one.start("what")].rstrip()
            if _DENIES.search(before) and not _ANY_MORE.search(one["what"]):
                continue
            if before.lower().endswith("left") and not _LEAVING.match(one["what"]):
                continue  # "left early", "left my keys"
            found.append(
                _end(_REST.split(one["what"], maxsplit=1)[0], re.split(r"[,;.]\s", self.plain[: one.start()])[-1])
            )
        for one in _PASSIVE.finditer(self.plain):
            what = re.split(r"[.;!?,\n]", self.plain[max(0, one.start() - _BEFORE) : one.start()])[-1]
            found.append(_end(_REST.split(what, maxsplit=1)[0], ""))
        return tuple(one for one in found if one.head)


def takes_place(new: Said, old: Said, *, cosine: float, asked: frozenset[str], query: str) -> bool:
    """Say whether a later statement makes an earlier one outdated.

    Args:
        new: The later one.
        old: The earlier one, by the same speaker.
        cosine: Of their vectors.
        asked: The content words of the query.
        query: Its text, for who is spoken of in it.

    >>> def said(text):
    ...     return Said(text, None, "en")
    >>> def outdated(old, new, query):
    ...     return takes_place(said(new), said(old), cosine=0.6, asked=frozenset(content_words(query)), query=query)
    >>> outdated("I live in Lisbon.", "I moved to Porto last week.", "Where do I live?")
    True
    >>> outdated("I drive a Honda Civic.", "I sold the Civic and bought a Tesla.", "What car do I have?")
    True
    >>> outdated("I go to the gym on Mondays.", "I changed my gym day to Fridays.", "Which day do I go to the gym?")
    True
    >>> outdated("I live in Lisbon.", "My sister moved to Porto.", "Where do I live?")
    False
    >>> outdated("My rent is 900 euros.", "My parking is now 90 euros.", "How much is my rent?")
    False
    """
    if cosine < NEAR or max(len(new.text), len(old.text)) > LONGEST or not {new.spoken, old.spoken} <= _ENGLISH:
        return False
    if _FOR_A_WHILE.search(new.text):
        return False
    # Reading facts costs most: both have to speak of what is asked for.
    of_attribute = asked & _OF_ATTRIBUTES or asked & old.words & new.words
    if of_attribute and not _NOT_QUITE.search(new.text) and _another_value(new, old, asked):
        return True
    if new.beside:
        return False
    # "My daughter Ella …", and later only "Ella …".
    named = set(_CAPITAL.findall(new.text)) & set(_CAPITAL.findall(old.text)) - {"I", "User"}
    lost = (asked & old.words) - new.words - _LIGHT - (_RELATIONS if named else frozenset())
    if any(_is_of(one, old, query) and not lost - one.words for one in new.ended):
        return True
    if cosine < ABOUT_THE_SAME or not _changed(new, old, asked, lost, cosine):
        return False
    # "Rosa's dog" is none of what "Rosa lives in Porto" is about.
    owned = _OWNED.match(new.stated)
    if owned is not None and frozenset(content_words(owned["what"])).isdisjoint(old.words | asked):
        return False
    return not new.about - _every_word(f"{old.text} {query}")


def _is_of(end: _End, old: Said, query: str) -> bool:
    """Say whether what is over is a thing of an earlier statement, ended by whom that speaks of."""
    if end.head not in old.words or _people_in(end.who) - _every_word(f"{old.text} {query}"):
        return False
    subject = _every_word(end.who) - _FILLERS
    return not subject or bool(subject & (_OWN | _every_word(old.text)))


def _another_value(new: Said, old: Said, asked: frozenset[str]) -> bool:
    """Say whether an attribute that is asked for has another value in the later statement."""
    wanted = [fact for fact in old.facts if fact.functional and asked & _names_of(fact)]
    return bool(wanted) and any(
        fact.attribute == other.attribute and _holder(fact) == _holder(other) and not _part(fact.key, other.key)
        for fact in new.facts
        if fact.functional and fact.positive and not fact.ended
        for other in wanted
    )


def _part(one: str, other: str) -> bool:
    """Say whether all words of one value are in another: "Berlin" and "the north of Berlin" do not exclude each other."""
    first, second = set(one.split()), set(other.split())
    return first <= second or second <= first


def _holder(fact: Fact) -> str:
    return fact.subject.removesuffix(" and others")  # who says that "we moved" moved


def _names_of(fact: Fact) -> frozenset[str]:
    """Return the words by which one asks for the attribute of a fact."""
    label = fact.attribute.removeprefix("number_of_").replace("_", " ")
    own = "" if label == "is" else label
    said = f"{own} {FAMILY.get(fact.attribute, '')} {_ASKED_AS.get(fact.attribute, '')} {fact.subject}"
    return frozenset(content_words(said)) - _USER


_ASKED_AS: Final = {
    "lives_in": "city town country place address apartment",
    "works_at": "employer office",
    "job": "position role occupation living",
    "studies_at": "school college",
    "relationship": "marital status relationship partner",
    "diet": "eat food",
    "spouse": "partner",
}
"""Further words of questions for an attribute, beside those that state it (`FAMILY`)."""
_OF_ATTRIBUTES: Final = frozenset(
    content_words(" ".join([*(FAMILY.get(one, "") for one in FUNCTIONAL), *_ASKED_AS.values(), *FUNCTIONAL]))
)


def _changed(new: Said, old: Said, asked: frozenset[str], lost: frozenset[str], cosine: float) -> bool:
    """Say whether a later statement tells a change of what an earlier one and the query are about."""
    # "12 years old" and "34 years old" have no more in common than their unit.
    common = (old.words & new.words) - _LIGHT - frozenset(content_words(" ".join(one.text for one in new.values)))
    if lost:
        # "My daughter switched to Maple Academy" does not say that it is a school.
        switches = cosine >= _ALIKE and _SWITCHES.search(new.plain) is not None
        return len(lost) == 1 and bool(common & asked) and switches
    if new.ended and not new.values:
        return False  # what it ends is something else
    others = _other_values(new, old)
    if others and not new.changes:
        others = _OTHERWISE.search(new.stated) is None and not new.names - _every_word(old.text)
    if common:
        return others or (new.changes and not old.values and bool(new.words - old.words - asked))
    # "I'm down to 78 kg": nothing but the unit tells what of.
    return others and cosine >= _ALIKE and not _HIMSELF.isdisjoint(_every_word(" ".join(new.stated.split()[:2])))


def _other_values(new: Said, old: Said) -> bool:
    """Say whether both hold values of one kind and unit that differ."""
    return any(
        one.kind is two.kind and one.unit == two.unit and not same_value(one, two)
        for one in new.values
        for two in old.values
    )


def _people_in(text: str) -> frozenset[str]:
    """Return names, owners and relations of people in the beginning of a clause, in small letters."""
    names = {one.lower() for one in _CAPITAL.findall(text)}
    return frozenset({one["relation"].lower() for one in _HOLDER.finditer(text)} | names) - frozenset(_OPENERS)


def _every_word(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in re.findall(r"[\w-]+", text))


_OPENERS: Final = words_in(
    "i i'm i've we the user my our a an in on last this that it they finally just so well yes after as since both have has "
    "unfortunately recently today yesterday also and but then ok okay update fyi"
)
"""Words with a capital at the beginning of a sentence that name nobody."""
