"""Facts in English around a verb: who lives, works, speaks, likes, has. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from memory_service.analysis.facts.attributes import (
    FUNCTIONAL,
    LISTS,
    ROLES_OF_PEOPLE,
    VERB,
    VERB_WORDS,
    VERBS,
    WHICH,
    Form,
    Time,
    Verb,
)
from memory_service.analysis.facts.draft import CAPITAL, NOT_NAMES, Draft, Own, Said
from memory_service.analysis.facts.english_nouns import label_of, of_copulas
from memory_service.analysis.facts.english_states import of_states
from memory_service.analysis.facts.values import ValueKind, read_values
from memory_service.analysis.names import fold_name

# Where a value ends: at a stop, or before a word that goes on to something else.
_STOP: Final = (
    r"(?=\s*(?:[,.;:!?()\n]|\Z|\s-\s)|\s(?:and|but|or|because|since|so|when|while|where|which|who|that|now|for|after|before|"
    r"from|this|last|next|as|until|although|though|then|too|again|with|these|any ?more|any longer|at the moment|instead|by|if|"
    r"every|on|in|at|than|during|together|called|named|today|yesterday|tomorrow|currently|recently|lately|to|is|are|was|were|"
    r"much|most|very|really)\b)"
)
_NAMES: Final = rf"{CAPITAL}(?:\s+(?:of\s+|de\s+)?{CAPITAL})*"
_AFTER: Final = {
    Form.PLACE: re.compile(
        rf"\s+(?:from\s+(?:the\s+)?{_NAMES}\s+)?(?:back\s+)?(?:in|to|near)\s+(?:the\s+)?(?P<value>{_NAMES})"
    ),
    Form.AT: re.compile(
        r"\s+(?:at|for|by)\s+(?!my\b|home\b|nights?\b|noon\b|midnight\b|times\b|weekends?\b|least\b|this\b|that\b|it\b|years?\b|\d)"
        rf"(?P<value>(?:(?:a|an|the)\s+)?[\w'’&-]+(?:\s+[\w'’&-]+){{0,4}}?){_STOP}"
    ),
    Form.SCHOOL: re.compile(rf"\s+(?:at|in)\s+(?:the\s+)?(?P<value>{_NAMES})"),
    Form.ROLE: re.compile(rf"\s+(?:\w+\s+)?as\s+(?P<value>(?:an?|the)?\s*[a-z][\w'’-]+(?:\s+[\w'’-]+){{0,3}}?){_STOP}"),
    Form.PROMOTION: re.compile(rf"\s+to\s+(?P<value>[a-z][\w'’-]+(?:\s+[\w'’-]+){{0,3}}?){_STOP}"),
    Form.THING: re.compile(
        rf"\s+(?P<value>(?:an?\s+|the\s+|my\s+|some\s+|to\s+)?[\w'’-]+(?:\s+[\w'’-]+){{0,3}}?){_STOP}"
    ),
    Form.NAME: re.compile(rf"\s+(?:(?:fluent|some|a little|good)\s+)?(?P<value>{CAPITAL})"),
    Form.OF_ALLERGY: re.compile(rf"\s+to\s+(?P<value>[\w'’-]+(?:\s+[\w'’-]+){{0,2}}?){_STOP}"),
    Form.QUANTITY: re.compile(r"\s+(?:about\s+|around\s+|only\s+|just\s+)?(?P<value>\d[\d.,]*\s?\w+)"),
    Form.CLOCK: re.compile(r"\s+(?:at|around)\s+(?P<value>\d{1,2}(?::\d\d)?(?:\s?[ap]m)?|[a-z]+)"),
}
# "For Anna at Bosch", "at the harbour for Maersk": one of the two is the employer, and no rule knows which.
_FOR_WHOM_WHERE: Final = re.compile(
    rf"\s+(?:(?:at|by)\s+(?!(?:home|night|noon|midnight|once|first|last|least|most|present|times|weekends?|the\s+(?:moment|weekends?))\b|\d)"
    rf"\w|for\s+(?:the\s+)?{CAPITAL})"
)
# "Near Ana", "to Ana's": where she lives is not said.
_OF_SOMEBODY: Final = re.compile(r"\A\s+near\b|['’]s?\Z")
# Where somebody works for whomever; with a capital it is a name: "the British Library".
_SITE: Final = re.compile(
    r"(?:[Tt]he|[Oo]ur)\s+(?:[\w'’&-]+\s+)*(?:office|plant|site|branch|headquarters|HQ|hq|factory|campus|warehouse|desk|building|library|"
    r"café|cafe)"
)
_AUX: Final = (
    r"am|is|are|was|were|have|has|had|do|does|did|don['’]?t|doesn['’]?t|didn['’]?t|haven['’]t|hasn['’]t|isn['’]t|aren['’]t|"
    r"wasn['’]t|not|never|no longer|now|still|currently|also|just|recently|finally|really|already|both|all|always|usually|"
    r"only|been|got|used to|can|can['’]?t|cannot|officially|happily|permanently|even|absolutely|mostly|started|a"
)
_BEFORE: Final = re.compile(
    rf"(?:(?P<own>\b(?:[Ii]|[Ww]e)(?:['’](?:m|ve|re))?)"
    rf"|\b(?P<det>[Mm]y|[Oo]ur)\s+(?P<which>[a-z][\w-]+\s+)?(?P<relation>{'|'.join(sorted(ROLES_OF_PEOPLE))})"
    rf"(?:,?\s+(?P<called>[A-Z][\w-]+),?)?(?:['’]s)?"
    rf"|(?P<name>\b[A-Z][\w-]+(?:\s+[A-Z][\w-]+)?))"
    rf"(?P<aux>(?:\s+(?:{_AUX}))*)\s+\Z"
)
_LOOK_BACK: Final = 70  # characters before a verb in which its subject stands
_NEGATIVE: Final = re.compile(r"n['’]?t\b|\bcannot\b|\bnot\b|\bnever\b|\bno longer\b")
_BEING: Final = re.compile(r"['’](?:m|re|s)\b|\b(?:am|is|are|was|were|been)\b")
_PERFECT: Final = re.compile(r"\b(?:have|has)\b|['’]ve")
_THIRD: Final = re.compile(r"\b(?:is|has|doesn['’]?t|isn['’]t|hasn['’]t)\b")
_PAST_AUX: Final = re.compile(r"\b(?:was|were|had|did|didn['’]?t|wasn['’]t|used to)\b")
# With these a value is cut short or means nothing: "I use for …", "I love it".
_NO_VALUE: Final = re.compile(
    r"(?:by|was|is|are|were|not|being|having|both|their|his|her|for|of|as|at|on|in|with|from|these|those|so|when|where|like|"
    r"and|or|more|just|to|it|them|that|this|you|him|me|us|how|what|your)\b",
    re.IGNORECASE,
)
# What one has for a moment, or says nothing of: "a lot of fun", "a few plans".
_VAGUE: Final = re.compile(
    r"(?:\w+\s+)?(?:lot|lots|bit|few|couple|no|time|times|news|plan|plans|chance|idea|feeling|question|questions|look|blast|day|"
    r"week|night|weekend|of|thing|things|way|picture|photo|problem|issue|hard|tough|good|great|nice)\b",
    re.IGNORECASE,
)
_ARTICLE: Final = re.compile(r"(?:an?|no|some|any)\s+", re.IGNORECASE)
_CONTACT: Final = re.compile(r"\b(?:reach|call|text|contact|email|mail|write to) me (?:at|on|under)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    start: int
    aux: str
    named: bool = False
    called: str | None = None


def read_english(text: str, own: Own) -> Iterator[Draft]:
    """Give the facts of one clause.

    Args:
        text: The clause, quotations blanked out.
        own: Who speaks.
    """
    said = Said(text)
    if not VERB_WORDS.isdisjoint(said.words):
        yield from _of_verbs(said, own)
    yield from of_copulas(said, own)
    yield from of_states(said, own)
    if "me" in said.words and "me " in text.lower():
        yield from _of_contact(text, own)


def _of_verbs(said: Said, own: Own) -> Iterator[Draft]:
    for hit in VERB.finditer(said.text.lower()):
        subject = _subject(said.text, hit.start(), own)
        if subject is None:
            continue
        for verb in VERBS[hit.group()]:
            draft = _of_verb(said, verb, hit.group(), subject, hit.end())
            if draft is not None:
                yield draft if subject.called is None else replace(draft, called=subject.called)
                break


def _of_contact(text: str, own: Own) -> Iterator[Draft]:
    contact = _CONTACT.search(text)
    if contact is None:
        return
    for value in read_values(text[contact.end() :])[:1]:
        if value.kind in {ValueKind.CODE, ValueKind.EMAIL}:
            attribute = "phone" if value.kind is ValueKind.CODE else "email"
            end = contact.end() + value.end
            yield Draft(own.one, attribute, value.text, contact.start(), end, functional=True)


def _subject(text: str, before: int, own: Own) -> _Subject | None:
    from_ = max(0, before - _LOOK_BACK)
    found = _BEFORE.search(text[from_:before])
    if found is None:
        return None
    start = from_ + found.start()
    if found["own"]:
        return _Subject(own.one if found["own"][0] in "iI" else own.many, start, found.group().lower())
    aux = found["aux"].lower()
    if found["det"]:
        which = (found["which"] or "").strip()
        kind = f"{which} {found['relation']}" if which in WHICH else found["relation"]
        return _Subject(f"{kind} of {own.one}", start, aux, called=found["called"])
    if found["name"].split()[0].lower() in NOT_NAMES:
        return None
    return _Subject(fold_name(found["name"]), start, aux, named=True)


def _of_verb(said: Said, verb: Verb, written: str, subject: _Subject, after: int) -> Draft | None:
    text = said.text
    if subject.named and not (written.endswith("s") or _THIRD.search(subject.aux)):
        return None  # "Sounds like fun": no name says what verb a capital stands before
    found = _AFTER[verb.form].match(text, after)
    if found is None or (verb.form is Form.AT and _FOR_WHOM_WHERE.match(text, found.end("value"))):
        return None
    if verb.attribute == "lives_in" and _OF_SOMEBODY.search(text[after : found.end("value")]):
        return None
    if verb.form is Form.ROLE and text.startswith(" as ", found.end()):
        return None  # "as hard as a nurse"
    if verb.form is Form.AT and _SITE.fullmatch(found["value"]):
        return None
    if written == "like" and _BEING.search(subject.aux):
        return None  # "we're like a family"
    value, attribute, aux = found["value"], verb.attribute, subject.aux
    ended = (verb.time is Time.PAST and _PERFECT.search(aux) is None) or (
        verb.time is not Time.RESULT and (_PAST_AUX.search(aux) is not None or said.past)
    )
    if attribute in LISTS and (_NO_VALUE.match(value) or (ended and "used to" not in aux)):
        return None  # "we had a blast", "I loved that film": it happened, and says nothing of what is
    if attribute == "has":
        return _of_having(value, subject, found.end("value"), ended=ended)
    if attribute == "job":
        value = re.sub(r"\A(?:an?|the)\s+", "", value)
    return Draft(
        subject.name,
        attribute,
        value,
        subject.start,
        found.end("value"),
        positive=verb.positive ^ (_NEGATIVE.search(aux) is not None),
        functional=attribute in FUNCTIONAL,
        ended=ended,
    )


def _of_having(value: str, subject: _Subject, end: int, *, ended: bool) -> Draft | None:
    numbers = read_values(value)
    if numbers and numbers[0].start == 0 and numbers[0].kind is ValueKind.NUMBER:
        noun = value[numbers[0].end :].strip()
        if not noun:
            return None
        attribute = f"number_of_{label_of(noun.split())}"
        return Draft(subject.name, attribute, numbers[0].text, subject.start, end, functional=True, ended=ended)
    article = _ARTICLE.match(value)
    if article is None or _VAGUE.match(value, article.end()):
        return None  # "have read", "got married", "has to go"
    denied = article.group().strip().lower() == "no" or _NEGATIVE.search(subject.aux) is not None
    return Draft(subject.name, "has", value[article.end() :], subject.start, end, positive=not denied, ended=ended)
