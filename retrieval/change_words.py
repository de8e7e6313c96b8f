"""Words by which a statement says that something ended, changed, or is so beside and for a while. Data only. English."""

import re
from typing import Final

from memory_service.analysis.facts.attributes import ROLES_OF_PEOPLE
from memory_service.analysis.facts.wording import content_words
from memory_service.analysis.times.reading import words_in
from memory_service.analysis.tokens import MONTHS

USER: Final = frozenset(content_words("user users"))
"""Whom notes of agents are about: as a word it says nothing."""
LIGHT: Final = frozenset(
    content_words(
        "use work go goes going run make take live store keep have drive attend deploy see stay come do eat pay call play study "
        "wear train own prefer lead old subscribe subscribed"
    )
)
"""Words, verbs mostly, that the statement of a change does without."""
VERBS: Final = LIGHT - frozenset(content_words("train work play study"))
"""Those of them that are no nouns as well."""
RELATIONS: Final = frozenset(content_words(" ".join(ROLES_OF_PEOPLE)))
ENDS: Final = re.compile(
    r"\b(?:(?:switch|mov|migrat|chang|transition|convert|upgrad|downgrad|went|relocat)\w*\s+(?:\w+\s+){0,4}?(?:away\s+)?from"
    r"|replac(?:ed|ing)|left|quit|(?:resigned|stepped down)(?: as| from)|sold|selling|traded(?: in)?|cancel+ed|"
    r"unsubscribed from|stopped|"
    r"gave up|given up|withdr[ae]wn? from|dropped out of|pulled out of|dropped|"
    r"ditched|got rid of|returned|retired|deprecated|decommissioned|shut down|closed|"
    r"no longer|don['’]?t|doesn['’]?t|not|instead of|broke up(?: with)?|split up(?: with)?|divorced(?: from)?|moved out of)"
    r"\s+(?P<what>[^.;!?\n]{2,60})",
    re.IGNORECASE,
)
PASSIVE: Final = re.compile(
    r"\s(?:(?:has|have) been|was|were|is|are|got)\s+(?:\w+ly\s+)?"
    r"(?:replaced|cancel+ed|sold|retired|deprecated|decommissioned|shut down|discontinued|over|gone)\b|\s(?:broke|split) up\b",
    re.IGNORECASE,
)
LEAVING: Final = re.compile(r"[^\W\d_a-z][\w&'’-]+\b(?! (?:early|late|at \d|for lunch|this|today)\b)")
# Where what is over ends: "sold the Civic | in May", "the projector | in room 4".
REST: Final = re.compile(
    r"[:,]|\b(?:to|and|but|for|because|with|so|in|at|on|early|this|today|yesterday|last|when|after|since|as|over)\b",
    re.IGNORECASE,
)
OWN: Final = frozenset(words_in("i i've i'm we we've we're my our user me us both"))
HIMSELF: Final = frozenset(words_in("i we user"))
FILLERS: Final = frozenset(
    words_in("and so then finally just also have has had 've the a an to of now recently that well ok in on last")
)
BEFORE: Final = 60  # characters before a passive in which stands what is over
# A denial tells the end of a thing only with one of these.
DENIES: Final = re.compile(r"\b(?:don['’]?t|doesn['’]?t|not)\Z", re.IGNORECASE)
ANY_MORE: Final = re.compile(r"\b(?:any ?more|any longer)\b", re.IGNORECASE)
CHANGES: Final = re.compile(
    r"\b(?:now|nowadays|these days|new|newly|as of|from now on|switched|changed|moved|relocated|raised|increased|decreased|"
    r"reduced|lowered|cut|extended|postponed|delayed|rescheduled|pushed|brought forward|shifted|promoted|updated|upgraded|"
    r"downgraded|replaced|renamed|dropped|grew|grown|(?:up|down|back) (?:to|from)|went (?:up|down)|became|adjusted|revised|"
    r"bumped|currently|recently|just (?:got|started|became|turned)|started|signed|"
    r"married|divorced|upgrade|migration|migrated|extension|handed|instead|joined|any ?more|no longer|took over)\b",
    re.IGNORECASE,
)
# Words of change that say since when something is so, not that it took the place of something.
SINCE_WHEN: Final = re.compile(
    r"\b(?:now|nowadays|these days|new|newly|as of|from now on|currently|recently)\b", re.IGNORECASE
)
# A change that somebody makes to something.
TRANSITIVE: Final = re.compile(
    r"(?<!\bwas )(?<!\bwere )(?<!\bis )(?<!\bare )(?<!\bbeen )(?<!\bgot )\b"
    r"(?P<verb>changed|raised|increased|decreased|reduced|lowered|cut|extended|postponed|delayed|rescheduled|pushed|moved|relocated|shifted|updated|upgraded|downgraded|replaced|renamed|adjusted|"
    r"revised|bumped)\s+(?P<what>(?:the|an?|my|our|its|his|her|their|your)\s[^.,;!?\n]+)",
    re.IGNORECASE,
)
# What is said of a thing: "is in the workshop", "has a logo", "is broken".
BEING: Final = re.compile(
    r"\b(?:is|are|am|was|were|(?:has|have) been|(?:moved|relocated)(?=\s(?:to|into)\s(?-i:[^A-Z\d]*)\Z))\s+"
    r"(?:(?:now|currently|still|again|already|also|just|actually)\s+)*"
    r"(?P<being>[^.;!?\n]+)"
    r"|\b(?:has|have|got|gets)\s+(?:(?:now|currently|also|just)\s+)*(?P<having>(?:an?|its|their|his|her|some|no|new|more)\s[^.,;!?\n]+)",
    re.IGNORECASE,
)
WHERE: Final = re.compile(
    r"(?:to|into|in|at|near|under|behind|outside|inside|next to|on(?=(?-i:[^A-Z\d]*)\Z))\s", re.IGNORECASE
)
ASKS_WHERE: Final = re.compile(
    r"\b(?:where|(?:what|which|whose) (?:place|location|city|town|country|room|street|floor|building|garage))\b",
    re.IGNORECASE,
)
ASKS_STATE: Final = re.compile(r"\s*(?:how(?:['’]s| is| are)|is|are|am|does|do|did|has|have)\b", re.IGNORECASE)
# What follows a noun and is none: it ends the noun phrase.
NO_NOUN: Final = re.compile(
    r"(?:\w*(?:ed|ly|where|[^s]s)|again|instead|early|late|twice|soon|back|away|home|went|got|took|came|began|ran|left|grew|fell|rose|became)\Z"
)

NOT_QUITE: Final = re.compile(
    r"\b(?:never|almost|nearly|about to|(?:have|has|had|did)(?:n['’]t| not))\s+(?:\w+\s+)?"
    r"(?:\w+ed|quit|quitting|left|sold|gave|given|move|leave|"
    r"stop|switch|cancel|sell|become)\b",
    re.IGNORECASE,
)
_HAPPENED: Final = (
    r"(?!(?:weigh|measur|reach|chang|mov|increas|rais|need|add)ed\b)[a-z]{2,}[^\W\de]ed|came|went|took|ran|began|broke|left|got|"
    r"had|ate|drank|woke|slept|met|saw|paid|spent|bought|arose|made|sent|rode|drove|swam"
)
# A value that is none of now: what was, what is so in general, what is allowed.
OTHERWISE: Final = re.compile(
    r"\b(?:used to|ago|back in|back then|last (?:night|year|month|week)|average|maximum|minimum|usually costs?|"
    r"(?:was|were)(?! (?:set|cut|\w+ed)\b)|did)\b"
    # "Today my weight is 78 kg" is so now, "failed at 5:00 today" was once.
    rf"|\btoday\b[^.!?\n]{{0,80}}\b(?:{_HAPPENED})\b|\b(?:{_HAPPENED})\b[^.!?\n]{{0,80}}\btoday\b",
    re.IGNORECASE,
)
# What is so for a while, or in a story.
FOR_A_WHILE: Final = re.compile(
    r"\b(?:until (?:my|i|we|he|she|they)|for (?:a|the) (?:day|week|weekend|month|summer|winter|holidays?|term)|"
    r"in (?:the|a|my) (?:game|book|novel|film|movie|story|dream)|"
    r"when i was|as a (?:kid|child|student)|years ago|these two weeks)\b",
    re.IGNORECASE,
)
SWITCHES: Final = re.compile(r"\b(?:switch|chang|mov|transfer)\w*\s+(?:over\s+)?to\b", re.IGNORECASE)
# What comes beside the old one, and what is so for once.
BESIDE: Final = re.compile(
    r"\b(?:too|also|as well|another|second|additional(?:ly)?|extra|besides|opened|side project|for (?:a|the) (?:day|week|weekend)|"
    r"tonight|tomorrow|this (?:morning|afternoon|evening|week|weekend|time|once)|just this|temporarily|only once)\b",
    re.IGNORECASE,
)
HOLDER: Final = re.compile(
    r"\b(?:my|our|his|her|their|the|user['’]s)\s+(?:\w+\s+)?"
    rf"(?P<relation>{'|'.join(sorted(ROLES_OF_PEOPLE, key=len, reverse=True))})\b"
    r"(?!['’]s\s+(?:new|old)\b)",
    re.IGNORECASE,
)
# A sentence begins with whom it is about: "Tom's manager", "My sister", "Tom moved". What else has a capital there is no name.
BEGINNING: Final = re.compile(
    r"\W*(?:(?:[Tt]he user['’]s|[Uu]ser['’]s|[Mm]y|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir|[Tt]he)\s+(?:[\w-]+\s+){1,2}|"
    r"(?:\w+['’]?\w*\s+){0,2}?\w+['’]s\b|"
    r"[^\W\d_a-z][\w-]+\s+(?=(?:and|is|was|has|had|now|just|recently|moved|switched|started|changed|got|bought|joined|left|says|"
    r"went|took|became|signed)\b))"
)
OWNED: Final = re.compile(
    r"\W*(?:[\w-]+(?: [\w-]+)?['’]s|[Mm]y|[Oo]ur) (?P<what>[\w-]+(?: (?!is\b|was\b|has\b)[\w-]+)?)"
)
MAY_HOLD_VALUES: Final = re.compile(
    r"\d|@|day\b|\b(?:two|three|four|five|six|seven|eight|nine|ten|\w+teen|\w+ty|\w*first|second|\w*third|\w+th|dozen|hundred|"
    r"thousand|half|quarter|noon|midnight)\b",
    re.IGNORECASE,
)
"""Quick to tell that there is nothing to read."""
NAME: Final = re.compile(r"(?<=[\w,;:'’\")] )[^\W\d_a-z][\w-]+")
CALENDAR: Final = frozenset({name.lower() for names in MONTHS.values() for name in names}) | frozenset(
    f"{day}day{s}" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun") for s in ("", "s")
)
CAPITAL: Final = re.compile(r"\b[^\W\d_a-z][\w-]+")
OPENERS: Final = words_in(
    "i i'm i've we the user my our a an in on last this that it they finally just so well yes after as since both have has "
    "unfortunately recently today yesterday also and but then ok okay update fyi"
)
"""Words with a capital at the beginning of a sentence that name nobody."""
