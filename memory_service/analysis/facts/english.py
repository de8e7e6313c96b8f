"""Facts in English: subject, verb and value around the verbs of `attributes`, and "my X is Y". Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.facts.attributes import (
    CHANGES,
    DIETS,
    FUNCTIONAL,
    LISTS,
    OCCUPATIONS,
    RELATIONSHIPS,
    ROLES_OF_PEOPLE,
    SEVERAL,
    VERB,
    VERBS,
    Form,
    Time,
    Verb,
)
from memory_service.analysis.facts.draft import Draft, Own
from memory_service.analysis.facts.values import Value, ValueKind, read_values
from memory_service.analysis.facts.wording import plain_words
from memory_service.analysis.names import fold_name

_STOP: Final = (
    r"(?=\s*(?:[,.;:!?()\n]|\Z|\s-\s)|\s(?:and|but|or|because|since|so|when|while|where|which|who|that|now|for|after|before|from|this|"
    r"last|next|as|until|although|though|then|too|again|with|these|any ?more|any longer|at the moment|instead|by|if|every|on|in|at|"
    r"than|during|together|called|named|today|yesterday|tomorrow|currently|recently|lately|to|is|are|was|were|much|most|very|really)\b)"
)
_CAPITAL: Final = r"[^\W\d_a-z][\w'’&-]*(?:\.(?=\w)[\w'’&-]+)*"
_AFTER: Final = {
    Form.PLACE: re.compile(rf"\s+(?:back\s+)?(?:in|to|near)\s+(?:the\s+)?(?P<value>(?:{_CAPITAL})(?:\s+(?:of\s+)?{_CAPITAL})*)"),
    Form.AT: re.compile(rf"\s+(?:at|for|by)\s+(?!my\b|home\b|least\b|this\b|that\b|it\b|years?\b|\d)(?P<value>(?:(?:a|an|the)\s+)?[\w'’&-]+(?:\s+[\w'’&-]+){{0,4}}?){_STOP}"),
    Form.SCHOOL: re.compile(rf"\s+(?:at|in)\s+(?:the\s+)?(?P<value>{_CAPITAL}(?:\s+(?:of\s+|de\s+)?{_CAPITAL})*)"),
    Form.ROLE: re.compile(rf"\s+(?:\w+\s+)?as\s+(?P<value>(?:an?|the)?\s*[a-z][\w'’-]+(?:\s+[\w'’-]+){{0,3}}?){_STOP}"),
    Form.PROMOTION: re.compile(rf"\s+to\s+(?P<value>[a-z][\w'’-]+(?:\s+[\w'’-]+){{0,3}}?){_STOP}"),
    Form.THING: re.compile(rf"\s+(?P<value>(?:an?\s+|the\s+|my\s+|some\s+|to\s+)?[\w'’-]+(?:\s+[\w'’-]+){{0,3}}?){_STOP}"),
    Form.NAME: re.compile(rf"\s+(?:(?:fluent|some|a little|good)\s+)?(?P<value>{_CAPITAL})"),
    Form.OF_ALLERGY: re.compile(rf"\s+to\s+(?P<value>[\w'’-]+(?:\s+[\w'’-]+){{0,2}}?){_STOP}"),
    Form.QUANTITY: re.compile(r"\s+(?:about\s+|around\s+|only\s+|just\s+)?(?P<value>\d[\d.,]*\s?\w+)"),
    Form.CLOCK: re.compile(r"\s+(?:at|around)\s+(?P<value>\d{1,2}(?::\d\d)?(?:\s?[ap]m)?|[a-z]+)"),
}
_AUX: Final = (
    r"am|is|are|was|were|have|has|had|do|does|did|don['’]?t|doesn['’]?t|didn['’]?t|haven['’]t|hasn['’]t|isn['’]t|aren['’]t|wasn['’]t|"
    r"not|never|no longer|now|still|currently|also|just|recently|finally|really|already|both|all|always|usually|only|been|"
    r"got|used to|can|can['’]?t|cannot|officially|happily|permanently|even|absolutely|mostly|started|a"
)
_BEFORE: Final = re.compile(
    rf"(?:(?P<own>\b(?:[Ii]|[Ww]e)(?:['’](?:m|ve|re))?)"
    rf"|\b(?P<det>[Mm]y|[Oo]ur)\s+(?P<which>[a-z][\w-]+\s+)?(?P<relation>{'|'.join(sorted(ROLES_OF_PEOPLE))})(?:,?\s+(?P<called>[A-Z][\w-]+),?)?(?:['’]s)?"
    rf"|(?P<name>\b[A-Z][\w-]+(?:\s+[A-Z][\w-]+)?))"
    rf"(?P<aux>(?:\s+(?:{_AUX}))*)\s+\Z"
)
_LOOK_BACK: Final = 70  # characters before a verb in which its subject stands
_NEGATIVE: Final = re.compile(r"n['’]?t\b|\bcannot\b|\bnot\b|\bnever\b|\bno longer\b")
_THIRD: Final = re.compile(r"\b(?:is|has|doesn['’]?t|isn['’]t|hasn['’]t)\b")
_PREPOSITION: Final = re.compile(r"(?:by|was|is|are|were|not|being|having|both|their|his|her|for|of|as|at|on|in|with|from|these|those|so|when|where|like|and|or|more|just)\b", re.IGNORECASE)
_VAGUE: Final = re.compile(
    r"(?:\w+\s+)?(?:lot|lots|bit|few|couple|no|time|times|news|plan|plans|chance|idea|feeling|question|questions|look|blast|day|week|night|"
    r"weekend|of|thing|things|way|picture|photo|problem|issue|hard|tough|good|great|nice)\b", re.IGNORECASE
)
_PAST_AUX: Final = re.compile(r"\b(?:was|were|had|did|didn['’]?t|wasn['’]t|used to)\b")
_PAST_TIME: Final = re.compile(
    r"\b(?:used to|back (?:in|then|when)|years ago|months ago|as a (?:child|kid|teenager|teen|student)|when i was|in my (?:youth|childhood|twenties)|"
    r"before that|formerly|previously|in the past|(?:from|between) \d{4} (?:to|until|and) \d{4})",
    re.IGNORECASE,
)
# A name, or a word with a digit: what a value of an attribute that we do not know looks like.
_TELLING: Final = re.compile(r"(?:\A|\s)(?:[^\W\d_a-zà-ÿ]|\w*\d|\w+-\w+\Z)")
_LATELY: Final = re.compile(r"\b(?:last (?:year|month|week|summer|winter|spring|autumn|fall|semester|quarter)|yesterday|in (?:19|20)\d\d)\b", re.IGNORECASE)
_NOT_NAMES: Final = frozenset(
    "i we you he she it they that this there who what but and so also then when if the a an yes no well oh hey my our your his her their "
    "please thanks just now people everyone someone anyone one some all many most".split()
)
_COPULA: Final = re.compile(
    r"\s(?:is|are|was|were|has been|have been|has|had|costs?|became|went|just hit|hit|has reached|reached)(?=[\s:])", re.IGNORECASE
)
_BOUNDARY: Final = re.compile(r"(?:.*[,;:!?–—(]\s+|.*\b(?:and|but|that|because|so|since|think|guess|know|say|remember|actually|currently|update)\s+)", re.IGNORECASE | re.DOTALL)
_NOUNS: Final = re.compile(
    r"\s*(?P<det>my|our|the|(?P<name>[A-Z][\w-]+(?:\s[A-Z][\w-]+)?)['’]s?)\s+(?P<noun>[\w'’&/.-]+(?:\s+[\w'’&/.-]+){0,8})\s*\Z", re.IGNORECASE
)
_NO_NOUN: Final = frozenset(
    "which who i we you he she they it is are was were be have has had do does did not one only same best worst first most think "
    "know said way reason problem thing point idea fact question issue truth moment time that this what where how".split()
)
_IS: Final = re.compile(
    rf"\s*:?\s*(?:(?:now|currently|actually|still|officially|just|recently|also|finally|then)\s+)*"
    rf"(?P<gone>(?:no longer|not)\s+.{{1,40}}?\s+but\s+)?(?P<not>(?:no longer|not|never)\s+)?"
    rf"(?P<change>(?:{CHANGES}|up|down|back)(?:\s+from\s+.{{1,30}}?)?(?:\s+to\s+|:\s*))?"
    rf"(?:(?:now|on|at|in|about|around|called|only|just|a|an|the|due|due on|planned for|scheduled for|due by)\s+)*"
    rf"(?P<value>[^\s,;!?()](?:[^,;!?()\n]|,(?=\d)){{0,60}}?)(?=\s*(?:,(?!\d)|[;!?()\n]|(?<!\b[DMS][rst])(?<!\bMrs)(?<!\bProf)\.(?:\s|\Z)|\Z)|\s(?:now|and|but|because|since|so|when|while|which|instead|"
    rf"these days|any ?more|any longer|as of|after|from|at the moment|not|anymore|with|who|where|by bus|today)\b)",
    re.IGNORECASE,
)
_I_AM: Final = re.compile(
    r"\b(?P<own>I['’]?m|I am|we['’]re|we are|(?P<name>[A-Z][\w-]+)(?:['’]s| is)|my (?P<relation>[a-z]+) is|I (?:just )?turned|(?P<turned>[A-Z]\w+) turned)\s+"
    r"(?P<adverb>(?:now|actually|currently|a|an|not|no longer|still|also|already|newly|just|only|about|almost|nearly|happily|officially)\s+)*"
    r"(?P<value>\d{1,3}(?:\.\d+)?(?:\s?(?:cm|m|years old|year old|kg))?(?:\s+tall)?|\w+(?:\s+\w+){0,3})",
    re.IGNORECASE,
)
_CONTACT: Final = re.compile(r"\b(?:reach|call|text|contact|email|mail|write to) me (?:at|on|under)\b", re.IGNORECASE)
_BORN: Final = re.compile(r"\b(?P<own>I)(?: was|['’]m| am) born (?P<how>in|on) (?P<value>[\w ,]{3,40})", re.IGNORECASE)
_PRESENT_NAME: Final = re.compile(r"\b(?P<own>I)(?:['’]m| am) (?:called|named) (?P<value>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)|\b(?P<own2>call) me (?P<value2>[A-Z][\w'’-]+)")
_MARRIED: Final = re.compile(r"\b(?P<own>I)(?:['’]m| am|['’]ve| have)?(?: now| just| happily)? (?P<got>got |gotten )?(?P<status>married|engaged|divorced|widowed)(?: to (?P<value>[A-Z][\w'’-]+))?", re.IGNORECASE)
_INVERSE: Final = re.compile(rf"\A\s*(?P<value>{_CAPITAL}(?:\s+{_CAPITAL})*)\s+is\s+(?:now\s+)?(?:where\s+)?(?:(?P<live>[Ii] live\b)|(?P<det>my|our)\s+(?P<new>new\s+)?(?P<noun>[a-z]+(?:\s[a-z]+)?)\s*(?:[.,!]|\Z|now))")
_BUDGET: Final = re.compile(r"\b(?P<own>I|We) have (?:a|the) (?P<noun>budget|deadline|limit|target|quota|goal) of (?P<value>[^,;!?]{1,40}?)(?: for (?:the |our |my )?(?P<rest>\w+(?: \w+)?))?(?=[.,;!?]|\Z)", re.IGNORECASE)
# What makes a thing the subject and the last word its attribute: "the upload limit".
_HEADS: Final = frozenset(
    "deadline budget rent price cost limit password address number date name time size coverage salary target goal code color lead database "
    "version quota status location capacity rate fee deposit total length weight height age title owner manager room".split()
)


# Adjectives that say which one of several.
_WHICH: Final = frozenset(
    "other older younger elder eldest oldest youngest little big twin first second third best old former late middle step half".split()
)


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    start: int
    aux: str
    named: bool = False


def read_english(text: str, own: Own) -> Iterator[Draft]:
    """Give the facts of one clause.

    Args:
        text: The clause, quotations blanked out.
        own: Who speaks.
    """
    past = _PAST_TIME.search(text) is not None
    lower = text.lower()
    for hit in VERB.finditer(lower):
        subject = _subject(text, hit.start(), own)
        if subject is None:
            continue
        for verb in VERBS[hit.group()]:
            draft = _of_verb(text, verb, hit.group(), subject, hit.end(), past)
            if draft is not None:
                yield draft
                break
    if " " in lower:
        yield from _of_copulas(text, own, past)
    if "i" in lower:
        yield from _of_state(text, own, past)
    if "@" in text or "me " in lower:
        contact = _CONTACT.search(text)
        if contact is not None:
            for value in read_values(text[contact.end() :])[:1]:
                if value.kind in {ValueKind.CODE, ValueKind.EMAIL}:
                    attribute = "phone" if value.kind is ValueKind.CODE else "email"
                    yield Draft(
                        own.one, attribute, value.text, contact.start(), contact.end() + value.end, functional=True
                    )


def _subject(text: str, before: int, own: Own) -> _Subject | None:
    from_ = max(0, before - _LOOK_BACK)
    found = _BEFORE.search(text, from_, before) if before == len(text) else _BEFORE.search(text[from_:before])
    if found is None:
        return None
    start = from_ + found.start()
    if found["own"]:
        return _Subject(own.one if found["own"][0] in "iI" else own.many, start, found.group().lower())
    if found["det"]:
        which = (found["which"] or "").strip()
        kind = f"{which} {found['relation']}" if which in _WHICH else found["relation"]
        return _Subject(f"{kind} of {own.one}", start, found["aux"].lower())
    name = found["name"]
    if name.split()[0].lower() in _NOT_NAMES or (start == 0 and not found["aux"] and not text[before : before + 1].strip()):
        return None
    return _Subject(fold_name(name), start, found["aux"].lower(), named=True)


def _of_verb(text: str, verb: Verb, written: str, subject: _Subject, after: int, past: bool) -> Draft | None:
    if subject.named and not (written.endswith("s") or _THIRD.search(subject.aux)):
        return None  # "Sounds like fun": no name says what verb a capital stands before
    found = _AFTER[verb.form].match(text, after)
    if found is None:
        return None
    value, end = found["value"], found.end("value")
    attribute, functional = verb.attribute, verb.attribute in FUNCTIONAL
    aux = subject.aux
    perfect = re.search(r"\b(?:have|has)\b|['’]ve", aux) is not None
    if attribute in LISTS and _PREPOSITION.match(value):
        return None
    if written == "like" and re.search(r"['’](?:m|re|s)\b|\b(?:am|is|are|was|were|been)\b", subject.aux):
        return None  # "we're like a family"
    ended = (verb.time is Time.PAST and not perfect) or _PAST_AUX.search(aux) is not None or (past and verb.time is not Time.RESULT)
    if ended and attribute in LISTS and "used to" not in aux:
        return None  # "we had a blast", "I loved that film": it happened, and says nothing of what is
    if attribute == "job":
        value = re.sub(r"\A(?:an?|the)\s+", "", value)
    if attribute == "has":
        numbers = read_values(value)
        if value.lower() in {"to", "been", "a lot"} or not re.search(r"[a-z]{2}", value):
            return None
        if numbers and numbers[0].start == 0 and numbers[0].kind is ValueKind.NUMBER:
            noun = value[numbers[0].end :].strip()
            if not noun:
                return None
            return Draft(
                subject.name, f"number_of_{_label(noun.split())}", numbers[0].text, subject.start, end,
                functional=True, ended=ended,
            )  # fmt: skip
        article = re.match(r"(?:an?|no|some|any)\s+", value, re.IGNORECASE)
        if article is None or _VAGUE.match(value, article.end()):
            return None  # "have read", "got married", "has to go"
        denied = article.group().strip().lower() == "no" or _NEGATIVE.search(aux) is not None
        return Draft(subject.name, "has", value[article.end() :], subject.start, end, positive=not denied, ended=ended)
    if attribute in {"likes", "uses", "plays", "eats", "drinks", "owns"} and re.match(
        r"(?:to|it|them|that|this|you|him|her|me|us|how|what|your)\b", value, re.IGNORECASE
    ):
        return None
    return Draft(
        subject.name, attribute, value, subject.start, end,
        positive=verb.positive ^ (_NEGATIVE.search(aux) is not None), functional=functional, ended=ended,
    )  # fmt: skip


def _of_copulas(text: str, own: Own, past: bool) -> Iterator[Draft]:
    for copula in _COPULA.finditer(text):
        boundary = _BOUNDARY.match(text, 0, copula.start())
        start = boundary.end() if boundary else 0
        start += len(text[start : copula.start()]) - len(text[start : copula.start()].lstrip())
        nouns = _NOUNS.match(text[start : copula.start()])
        if nouns is None:
            continue
        place = _attribute(nouns, own)
        if place is None:
            continue
        found = _IS.match(text, copula.end())
        if found is None or (found["not"] and not found["gone"]):
            continue
        verb = copula.group().strip().lower()
        if verb in {"has", "had", "went", "has been", "have been"} and not found["change"]:
            continue
        changed = found["change"] is not None or found["gone"] is not None
        value = found["value"].strip()
        subject, attribute = place
        kinds = read_values(value)
        if not changed and (verb in {"was", "were", "had"} or _LATELY.search(text)):
            past = True
        if _verbal(value, kinds) and not changed:
            continue
        head = attribute.split("_")[0]
        if past and not kinds and attribute not in FUNCTIONAL:
            continue
        functional = not nouns["noun"].lower().endswith("s") or bool(kinds) or attribute in FUNCTIONAL
        if any(word in SEVERAL for word in re.findall(r"[a-z]+", nouns["noun"].lower())[:1]) and head not in {"favourite"}:
            functional = attribute in FUNCTIONAL
        if not (kinds or _TELLING.search(value) or attribute in FUNCTIONAL or head == "favourite"):
            continue  # "the atmosphere is electric", "my store is open"
        role = nouns["noun"].split()[-1].lower()
        if role in ROLES_OF_PEOPLE and verb in {"has", "had", "have"}:
            continue
        if role in ROLES_OF_PEOPLE and kinds and kinds[0].kind is ValueKind.NUMBER and nouns["det"].lower() in {"my", "our"}:
            yield Draft(f"{role} of {own.one}", "age", kinds[0].text, start, found.end("value"), functional=True, ended=past)
            continue
        yield Draft(
            subject, attribute, value, start, found.end("value"), functional=functional, changed=changed, ended=past
        )


def _verbal(value: str, kinds: tuple[Value, ...]) -> bool:
    """Say whether what follows "is" describes rather than names: "is doing well", "is so nice", "is broken"."""
    if kinds and kinds[0].start <= 3:
        return False
    first = value.split()[0].lower()
    return first.endswith(("ing", "ed")) or first in _DESCRIBING


_DESCRIBING: Final = frozenset(
    "so very really pretty quite too great good nice awesome amazing fun hard easy bad important always never often there here what how "
    "why when where if like just being been going getting more less better worse able ready sure happy sad beautiful lovely cool not no "
    "my your his her their our it that this these those he she they we i you to done gone broken full empty out up down over off of "
    "incredible wonderful perfect fine okay ok right wrong true all such one still also because about".split()
)


def _attribute(nouns: re.Match[str], own: Own) -> tuple[str, str] | None:
    """Return whom a noun phrase is about and what it names of him; None where it names nothing that could have a value."""
    determiner, noun = nouns["det"].lower(), nouns["noun"]
    words = noun.split()
    if any(word.lower() in _NO_NOUN for word in words):
        return None
    holder = None
    if nouns["name"]:
        if nouns["name"].lower() in _NOT_NAMES:
            return None
        holder = fold_name(nouns["name"])
    elif determiner == "my":
        holder = own.one
    elif determiner == "our":
        holder = own.many
    # "my sister's name": the sister is what it is about.
    possessor = re.match(r"(?P<who>(?:(?!\s(?:for|of|in|on|at)\s).)+?)(?:['’]s|(?<=s)['’])\s+(?P<what>.+)\Z", noun)
    if possessor:
        who = " ".join(plain_words(possessor["who"])) or possessor["who"].lower()
        holder = f"{who} of {holder}" if holder else who
        words = possessor["what"].split()
    rest: list[str] = []
    for place, word in enumerate(words):
        if word.lower() in {"for", "of", "in", "on", "at", "to", "over", "with"} and place:
            words, rest = words[:place], words[place + 1 :]
            break
    words = [word for word in words if word.lower() not in {"new", "current", "own", "present", "latest", "updated"}]
    if not words:
        return None
    label = _label(words)
    about = " ".join(plain_words(" ".join(rest)))
    if holder is None:
        head = words[-1].lower()
        if len(words) > 1 and head in _HEADS:
            about = " ".join(filter(None, [" ".join(plain_words(" ".join(words[:-1]))), about]))
            label = _label(words[-1:])
        if not about:
            return " ".join(plain_words(" ".join(words))) or head, "is"
        return about, label
    return holder, f"{label}_of_{about.replace(' ', '_')}" if about else label


_LABELS: Final = {
    "phone_number": "phone", "number": "phone", "mobile_number": "phone", "cell_number": "phone", "e-mail": "email",
    "email_address": "email", "e-mail_address": "email", "home_address": "address", "husband": "spouse", "wife": "spouse",
    "birth_date": "birthday", "date_of_birth": "birthday", "job_title": "job", "home": "lives_in", "profession": "job", "hometown": "hometown",
}  # fmt: skip


def _label(words: list[str]) -> str:
    written = "_".join(word.lower() for word in words)
    if written.startswith(("favorite_", "favourite_")):
        return f"favourite_{written.partition('_')[2].replace('color', 'colour').replace('colouur', 'colour')}"
    if written in FUNCTIONAL:
        return written
    return _LABELS.get(written) or written.replace("-", "_")


def _of_state(text: str, own: Own, past: bool) -> Iterator[Draft]:
    for found in _I_AM.finditer(text):
        yield from _of_being(found, own, past)
    born = _BORN.search(text)
    if born is not None:
        kinds = read_values(born["value"])
        if kinds and kinds[0].kind is ValueKind.DATE and born["how"] == "on":
            yield Draft(own.one, "birthday", kinds[0].text, born.start(), born.start("value") + kinds[0].end, functional=True)
        elif re.fullmatch(r"(?:19|20)\d\d", born["value"].strip()):
            yield Draft(own.one, "birth_year", born["value"].strip(), born.start(), born.end(), functional=True)
        elif born["value"][:1].isupper() and not kinds:
            yield Draft(own.one, "birthplace", born["value"].strip(), born.start(), born.end(), functional=True)
    named = _PRESENT_NAME.search(text)
    if named is not None:
        which = "value" if named["value"] else "value2"
        yield Draft(own.one, "name", named[which], named.start(), named.end(which), functional=True)
    married = _MARRIED.search(text)
    if married is not None and not past:
        end = married.end()
        status = married["status"].lower()
        yield Draft(
            own.one, "relationship", status, married.start(), end, functional=True, changed=married["got"] is not None
        )
        if married["value"] and status == "married":
            yield Draft(own.one, "spouse", married["value"], married.start(), end, functional=True)
    inverse = _INVERSE.match(text)
    if inverse is not None and inverse["value"].lower() not in _NOT_NAMES:
        if inverse["live"]:
            yield Draft(own.one, "lives_in", inverse["value"], 0, inverse.end(), functional=True)
        else:
            noun = inverse["noun"].lower().removesuffix(" now").split()
            holder = own.one if inverse["det"].lower() == "my" else own.many
            yield Draft(
                holder, _label(noun), inverse["value"], 0, inverse.end(), functional=noun[0] not in SEVERAL or noun[0] == "favourite"
            )
    budget = _BUDGET.search(text)
    if budget is not None:
        holder = own.one if budget["own"].lower() == "i" else own.many
        about = "_".join(plain_words(budget["rest"] or ""))
        label = budget["noun"].lower() + (f"_of_{about}" if about else "")
        yield Draft(holder, label, budget["value"], budget.start(), budget.end(), functional=True)


def _of_being(found: re.Match[str], own: Own, past: bool) -> Iterator[Draft]:
    holder = own.one
    if found["relation"]:
        if found["relation"].lower() not in ROLES_OF_PEOPLE:
            return
        holder = f"{found['relation'].lower()} of {own.one}"
    elif found["name"] or found["turned"]:
        name = found["name"] or found["turned"]
        if name.lower() in _NOT_NAMES or not name[0].isupper():
            return
        holder = fold_name(name)
    elif found["own"].lower().startswith("we"):
        holder = own.many
    value, start = found["value"], found.start()
    adverbs = found.group()[len(found["own"]) : len(found.group()) - len(value)].lower()
    positive = not re.search(r"\bnot\b|\bno longer\b", adverbs)
    number = re.match(r"(\d{1,3})(?:\s+years? old)?\Z", value)
    following = found.string[found.end() : found.end() + 14].lower()
    if number and int(number[1]) <= 120:
        if "year" in value or "turned" in found["own"].lower() or re.match(r"\s*(?:[.,;!?]|\Z|now|years?\b|today|and\b|yo\b)", following):
            yield Draft(holder, "age", number[1], start, found.start("value") + len(value), functional=True, positive=positive, ended=past)
        return
    if value.endswith("tall"):
        yield Draft(holder, "height", value.removesuffix("tall").strip(), start, found.end(), functional=True, ended=past)
        return
    words = value.lower().split()
    for place, word in enumerate(words):
        end = found.start("value") + re.match(r"\W*(?:\w+\W*){%d}\w+" % place, value).end()  # type: ignore[union-attr]
        if word in DIETS:
            yield Draft(holder, "diet", word, start, end, positive=positive, functional=True, ended=past)
            return
        if word in RELATIONSHIPS and place == 0 and "married" not in words:
            yield Draft(holder, "relationship", word, start, end, positive=positive, functional=True, ended=past)
            return
        if word in OCCUPATIONS:
            article = re.search(r"\b(?:an?)\s+\Z", found.string[: found.start("value")].lower()) is not None
            if article:
                yield Draft(holder, "job", " ".join(value.split()[: place + 1]), start, end, positive=positive, functional=True, ended=past)
            return
