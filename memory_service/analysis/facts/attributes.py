"""Attributes: which verbs speak of them, what their values look like, and which hold one value at a time. Data only."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from memory_service.analysis.times.reading import words_in


class Form(StrEnum):
    """What may follow a verb as a value."""

    PLACE = "place"  # "in Lisbon": a name
    AT = "at"  # "at Siemens", "for a bank"
    SCHOOL = "school"  # "at the University of Graz"
    ROLE = "role"  # "as a nurse"
    PROMOTION = "promotion"  # "to senior analyst"
    THING = "thing"  # "sushi"
    NAME = "name"  # "Portuguese": a name right after the verb
    QUANTITY = "quantity"  # "82 kg"
    CLOCK = "clock"  # "at six"
    OF_ALLERGY = "allergy"  # "to nuts"


class Time(StrEnum):
    """What the form of a verb says of when."""

    PRESENT = "present"
    PAST = "past"
    RESULT = "result"  # "moved to": it happened, and holds since


@dataclass(frozen=True, slots=True)
class Verb:
    """What a form of a verb says."""

    attribute: str
    form: Form
    time: Time = Time.PRESENT
    positive: bool = True


def _verbs() -> dict[str, tuple[Verb, ...]]:
    """Return, by written form, what verbs say; the first that finds its value counts."""
    found: dict[str, list[Verb]] = {}

    def add(
        attribute: str, form: Form, present: str, past: str = "", result: str = "", *, positive: bool = True
    ) -> None:
        for time, written in ((Time.PRESENT, present), (Time.PAST, past), (Time.RESULT, result)):
            for word in written.split("|"):
                if word:
                    found.setdefault(word, []).append(Verb(attribute, form, time, positive))

    add("lives_in", Form.PLACE, "live|lives|living|reside|resides|based", "lived|resided", "moved|relocated")
    add("works_at", Form.AT, "work|works|working|employed", "worked", "started at|new job|job")
    add("job", Form.ROLE, "work|works|working", "worked")
    add("job", Form.PROMOTION, "", "", "promoted")
    add("studies_at", Form.SCHOOL, "study|studies|studying|student", "studied")
    add("weight", Form.QUANTITY, "weigh|weighs", "weighed")
    add("gets_up_at", Form.CLOCK, "wake up|wakes up|get up|gets up", "woke up|got up")
    add("is_allergic_to", Form.OF_ALLERGY, "allergic")
    add("speaks", Form.NAME, "speak|speaks", "spoke")
    add("plays", Form.THING, "play|plays", "played")
    add("visited", Form.PLACE, "", "", "visited|been")
    add("likes", Form.THING, "like|likes|love|loves|enjoy|enjoys|adore", "liked|loved|enjoyed")
    add("likes", Form.THING, "hate|hates|dislike|dislikes", "hated|disliked", positive=False)
    add("drinks", Form.THING, "drink|drinks", "drank")
    add("eats", Form.THING, "eat|eats", "ate")
    add("owns", Form.THING, "own|owns", "owned")
    add("uses", Form.THING, "use|uses", "used")
    add("has", Form.THING, "have|has|got|adopted", "had")
    return {word: tuple(verbs) for word, verbs in found.items()}


VERBS: Final = _verbs()
VERB: Final = re.compile(rf"\b(?:{'|'.join(sorted(VERBS, key=len, reverse=True))})\b")
VERB_WORDS: Final = frozenset(written.split()[0] for written in VERBS)
"""The first words of all these; a text without any has none of them."""

FUNCTIONAL: Final = words_in(
    "lives_in works_at job studies_at age weight height gets_up_at phone email address name birthday birth_year "
    "birthplace relationship "
    "spouse diet"
)
"""Attributes that hold one value at a time."""

PERSONAL: Final = FUNCTIONAL - {"job", "gets_up_at"}
"""Those of which another value means that the old one is gone, even where no word says so."""

LISTS: Final = words_in("likes has uses plays eats drinks owns visited speaks is_allergic_to")
"""Attributes that hold many values: another one says nothing of the first."""

FAMILY: Final = {
    "lives_in": "live move relocate reside base home house live",
    "works_at": "work job employ start new join company",
    "job": "work job profession trade promote title",
    "studies_at": "study student university change",
    "age": "age year old turn today",
    "weight": "weigh weight",
    "phone": "phone number mobile reach call",
    "email": "email address",
    "name": "name call",
    "birthday": "birthday born birth",
    "relationship": "single married marry engaged divorced widowed",
    "spouse": "husband wife spouse married marry",
    "likes": "like love enjoy favorite",
    "has": "have",
}
"""Words that say no more than the attribute itself."""

SEVERAL: Final = words_in(
    "friend friends brother sister cousin colleague hobby hobbies uncle aunt neighbor neighbour child kid son daughter dog cat pet "
    "classmate roommate teammate student client customer problem issue question idea thing reason part point way day place book "
    "example advice favorite goal plan dream biggest best worst main other another next last first second old"
)
"""Heads of which somebody has several, or which mean another thing each time: "my friend is …", "the problem is …"."""

ROLES_OF_PEOPLE: Final = words_in(
    "mother father mom dad mum brother sister son daughter wife husband partner boyfriend girlfriend cousin uncle "
    "aunt nephew niece "
    "grandmother grandfather grandma grandpa friend boss manager colleague neighbour neighbor roommate dog cat "
    "puppy kitten parents "
    "family team company kids children"
)

ONE_OF_MANY: Final = words_in("friend colleague cousin uncle aunt nephew niece neighbour neighbor roommate")
"""Of whom "my friend" may be another each time."""

WHICH: Final = words_in(
    "other older younger elder eldest oldest youngest little big twin first second third best old former late middle step half"
)
"""Adjectives that say which one of several is meant."""

NATIONALITIES: Final = words_in(
    "american australian austrian belgian brazilian british bulgarian canadian catalan catholic chilean chinese christian "
    "colombian croatian cuban czech danish dutch egyptian english estonian ethiopian finnish french german greek hungarian "
    "icelandic indian indonesian iranian irish israeli italian japanese jewish kenyan korean latvian lithuanian mexican "
    "moroccan muslim nigerian norwegian pakistani peruvian polish portuguese romanian russian scottish serbian slovak "
    "slovenian spanish swedish swiss syrian thai tunisian turkish ukrainian vietnamese welsh"
)
"""What somebody is who has it, rather than who he is."""

OCCUPATIONS: Final = words_in(
    "accountant actor actress analyst architect artist assistant author baker banker barber barista bartender "
    "biologist builder butcher "
    "carpenter cashier chef chemist cleaner coach consultant cook dancer dentist designer developer director doctor driver "
    "economist editor electrician engineer farmer firefighter florist gardener geologist hairdresser historian illustrator "
    "interpreter janitor journalist judge lawyer lecturer librarian manager mechanic midwife musician nanny nurse optician "
    "painter paramedic pharmacist photographer physicist physiotherapist pilot plumber poet postman producer professor programmer "
    "psychologist realtor receptionist researcher sailor scientist secretary singer soldier surgeon tailor teacher technician "
    "therapist translator tutor veterinarian vet waiter waitress welder writer freelancer retiree"
)
DIETS: Final = frozenset({"vegetarian", "vegan", "pescatarian"})
RELATIONSHIPS: Final = frozenset({"single", "married", "engaged", "divorced", "widowed"})
CHANGES: Final = (
    "changed|moved|raised|increased|decreased|reduced|lowered|extended|postponed|delayed|rescheduled|pushed back|"
    "pushed|brought forward|"
    "shifted|updated|renamed|set|cut|adjusted|revised|corrected|switched|upgraded|bumped"
)
"""Verbs of change whose new value stands after "to"."""
