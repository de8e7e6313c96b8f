"""Words of English for times, and what they mean by the calendar."""

import re
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.reading import Cues, Match, Reading, alternatives

MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sept sep", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
SHORT_MONTHS: Final = frozenset({"jan", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "feb"})
NAMES_TOO: Final = frozenset({"april", "may", "june", "august", "march", "mar", "jan", "jun", "dec"})
WEEKDAYS: Final = {
    name: number
    for number, names in enumerate(
        (
            "monday mon", "tuesday tues tue", "wednesday wed", "thursday thurs thur", "friday fri", "saturday sat",
            "sunday sun",
        )
    )
    for name in names.split()
}  # fmt: skip
FULL_WEEKDAYS: Final = frozenset(name for name in WEEKDAYS if name.endswith("day"))
SAFE_WEEKDAYS: Final = FULL_WEEKDAYS | {"tues", "thurs", "thur", "fri"}  # "sun", "sat", "wed", "mon" are other words
SEASONS: Final = {"spring": "spring", "summer": "summer", "autumn": "autumn", "fall": "autumn", "winter": "winter"}
_UNITS: Final = ["hour", "day", "night", "week", "weekend", "fortnight", "month", "year", "decade"]
NUMBERS: Final = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
}  # fmt: skip
# Vague numbers with the least and the most they mean.
VAGUE: Final = {"couple": (2, 3), "few": (2, 5), "several": (3, 7)}
ORDINALS: Final = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": -1}
PARTS: Final = {
    "early": "early", "beginning": "early", "start": "early", "mid": "mid", "middle": "mid", "late": "late", "end": "late",
}  # fmt: skip

CUES: Final = Cues(
    past=re.compile(
        r"\b(?:was|wasn't|were|weren't|did|didn't|had|hadn't|went|got|took|saw|met|made|came|left|gave|found|bought|said|told|"
        r"been|ran|won|lost|held|kept|felt|spent|brought|thought|caught|taught|heard|read|ate|drove|flew|began|wrote|built|"
        r"happened|born|past|last|ago|yesterday|already|since|used to|(?!need|feed|seed|speed|indeed|hundred|bed|red|excited)[a-z]{2,}ed)\b"
    ),
    future=re.compile(
        r"(?:\b(?:will|won't|shall|going to|gonna|planning|plans?|planned for|upcoming|soon|tomorrow|can't wait|"
        r"(?:look|looking) forward|hope to|hoping|hopefully|want to|wanna|scheduled|due|deadline|should|let's|would|excited|"
        r"see you|are you free|let me know|next|coming up|remind|until then|(?:am|are|is|'m|'re) (?:not )?(?!been)[a-z]+ing)\b|'ll\b|\bwe're\b|\bi'm\b)"
    ),
)

MONTH: Final = rf"(?:{alternatives(MONTHS.keys() - SHORT_MONTHS)}\b|{alternatives(SHORT_MONTHS)}\b\.?)"
YEAR: Final = r"(?:1[5-9]|20)\d\d(?![\d.,]\d|\w)"
YEAR_AFTER: Final = rf"(?:,?\s+(?:of\s+)?(?P<year>{YEAR})|\s+(?P<short>['’]\d\d)(?!\w)|\s+(?:of\s+)?(?P<which_year>last|this|next)\s+year\b)"
YEAR_TAIL: Final = YEAR_AFTER + "?"
NTH: Final = r"(?:st|nd|rd|th)"
WEEKDAY_LEAD: Final = rf"(?:\b{alternatives(WEEKDAYS)}\.?,?\s+)?"
TO: Final = r"\s*(?:-|–|—|to|through|thru|until|till|and)\s*"
NUMBER: Final = rf"(?:{alternatives(NUMBERS)}|\d{{1,3}})"
COUNT: Final = (
    rf"(?:(?:a\s+)?(?P<vague>couple|few)(?:\s+of)?|(?P<several>several)|(?P<half>half\s+a)|(?P<low>{NUMBER})"
    rf"(?:\s*(?:-|–|to|or)\s*(?P<high>{NUMBER}))?)"
)
UNIT: Final = r"(?P<unit>hour|hr|day|night|week|wk|weekend|fortnight|month|mo|year|yr|decade)s?"
PART_OF_DAY: Final = r"(?:\s+(?:early\s+)?(?:morning|afternoon|evening|night|noon|lunch|lunchtime)\b)?"
PREPOSITION: Final = (
    r"(?:in|since|until|till|during|through|throughout|by|before|after|from|of|around|for|as of|back in)"
)
# A month that is also a name needs one of these before it, besides what only ever precedes a time.
SURE: Final = frozenset({"in", "since", "until", "till", "during", "throughout", "around", "back in", "as of"})
CLAUSE_GOES_ON: Final = re.compile(
    r"\s*(?:\Z|[^\w\s'’]|(?:and|but|so|or|when|because|that|i|we|he|she|they|you|it|to|for|in|at|with|on|as|the|my|our|was|were|is|of|this|last|next|after|before|since|until|from|by|about|if|which|who|where|while|then|too)\b)"
)


def year_named(match: Match, reading: Reading) -> int | None:
    """Return the year that stands beside a month, a season or a holiday."""
    if match["which_year"]:
        return reading.today.year + {"last": -1, "this": 0, "next": 1}[match["which_year"]]
    written = match["year"] or match["short"]
    return on.full_year(written) if written else None


def counted(match: Match) -> tuple[int, int]:
    """Return the least and the most that a number in words means."""
    if match["vague"] or match["several"]:
        return VAGUE[match["vague"] or match["several"]]
    low = NUMBERS.get(match["low"]) or int(match["low"])
    high = match["high"]
    return low, (NUMBERS.get(high) or int(high)) if high else low


_DATE_WORD: Final = re.compile(
    r"(?:i|i'm|i'll|i've|the|we|my|he|she|they|it|you|on|in|at|last|next|this|since|and|but|so|oh|hey|hi|morning|afternoon|evening|night|"
    + "|".join(sorted([*MONTHS, *WEEKDAYS]))
    + r")(?:['’]\w+)?\Z"
)
_BESIDE_LEFT: Final = re.compile(r"([^\W\d_][\w'’]*)[ ]\Z")
_BESIDE_RIGHT: Final = re.compile(r"\A[ ]([^\W\d_][\w'’]*)")
_PAPERS: Final = re.compile(
    r"\s+(?:times|mirror|telegraph|express|post|herald|mail|school|best|roast|tribune|news|nights? football|blues|addams|mass|dinner club)\b"
)


def name_beside(reading: Reading, start: int, end: int, *, led: bool) -> bool:
    """Say whether a word is part of a name: "Sunday Times", "Ruby Tuesday", "April Jones"."""
    if _PAPERS.match(reading.lower, end):
        return True
    if not reading.capitalised(start):
        return False
    if led:
        return False
    right = _BESIDE_RIGHT.match(reading.text[end : end + 30])
    if right and right[1][0].isupper() and not right[1].isupper() and not _DATE_WORD.match(right[1].lower()):
        return True
    left = _BESIDE_LEFT.search(reading.text[max(0, start - 30) : start])
    if left is None or not left[1][0].isupper() or left[1].isupper() or _DATE_WORD.match(left[1].lower()):
        return False
    # A capital that opens a sentence says nothing.
    opening = reading.text[: max(0, start - 30) + left.start()].rstrip(" ")
    return bool(opening) and opening[-1] not in '.!?:;\n"“(-*'
