"""Hear what somebody asks for once and for all: "Always answer in metric units", "I prefer trains".

Such a text is worth remembering in every later answer that it is about, however little that question resembles it. Rules, no
model, English only. What is told of the past ("Never thought of that") or asked for once ("Can you always undo this?") is
no wish; a rule that is not sure says nothing.
"""

import re
from enum import StrEnum
from typing import Final

from memory_service.analysis.language import guess
from memory_service.analysis.tokens import UNKNOWN_LANGUAGE


class Wish(StrEnum):
    """What kind of wish; the name is also the tag by which memories are known to hold one."""

    INSTRUCTION = "instruction"  # how to answer, or what to do, whenever it comes up
    PREFERENCE = "preference"  # what somebody likes or likes better


WISHES: Final = frozenset(wish.value for wish in Wish)  # tags that say what a memory is, not what it is about
LONGEST_TEXT: Final = 4_000  # characters read
_LANGUAGES: Final = frozenset({"en", UNKNOWN_LANGUAGE})
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_QUOTED: Final = re.compile(r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”")
# Where a sentence begins; a text that talks on without a full stop has one sentence.
_BEGINS: Final = (
    r"(?:\A|[.!?;:\n])\W{0,8}(?:(?:also|and|oh|okay|ok|so|note|remember|but|hey|hi|hello)\b,?\s+)?(?:please,?\s+)?"
)
# Behind "always" or "never" at the beginning of a sentence: what makes it tell or judge instead of ask.
_TELLS: Final = (
    r"(?:an?|the|i|it|he|she|they|we|that|this|my|your|mind|fear|again|before|ever|been|was|were|is|are|had|has|have|did|"
    r"does|felt|knew|saw|heard|thought|happy|glad|nice|good|great|fun|here|there|in|on|at|for|so|too|up|more|less|better|"
    r"enough|easy|hard|[a-z]+ed|[a-z]+ing|[a-z]+[^su\W]s)"
)
_DOES: Final = (
    r"(?:please|always|never|only|do not|don['’]t|answer|reply|respond|write|use|include|give|provide|show|format|keep|call|add|"
    r"mention|avoid|explain|make|list|put|skip|start|stop|remind|tell|ask|assume|refer)"
)
_INSTRUCTION: Final = re.compile(
    rf"{_BEGINS}(?:"
    rf"(?:always|never)\s+(?!{_TELLS}\b)[a-z]+"
    r"|(?:make sure|be sure|remember|don['’]t forget|try)\s+to\s+(?:always|never)\b"
    rf"|(?:from now on|going forward|in (?:the )?future|from here on|henceforth),?\s+(?:please\s+)?(?:{_DOES}\b|i(?:['’]d| would) "
    r"like you to\b|i want you to\b|you should\b)"
    r"|(?:when(?:ever)?|every time|each time|any time|anytime|if)\s+i\s+(?:ask|request|tell|send|share|show|give|mention)\b"
    rf"[^.!?\n]{{1,120}},\s*(?:please\s+|you should\s+)?{_DOES}\b"
    r")"
    r"|\b(?:i(?:['’]d| would) like you to|i want you to|i need you to|you should|you must)\s+(?:always|never)\b",
    re.IGNORECASE,
)
_OFTEN: Final = (
    r"(?:(?:really|strongly|generally|usually|always|also|much|still|definitely|personally|just|absolutely|"
    r"tend to)\s+){0,2}"
)
_PREFERENCE: Final = re.compile(
    r"(?<!can )(?<!could )(?<!should )(?<!would )(?<!do )(?<!did )(?<!if )(?<!\?)"
    rf"\bi\s+{_OFTEN}(?:prefer(?!red|ence)|favou?r|love|hate|dislike|enjoy|can['’]?t stand|cannot stand|(?:do not|don['’]t) like)\b"
    r"(?! to (?:hear|see|know|get|learn|say|admit|ask|bother|interrupt|complain)\b)"
    r"|\bi(?:['’]d| would)\s+(?:much |always |generally )?(?:rather|prefer)\b"
    r"|\bmy\s+(?:\w+\s+){0,2}preference\s+(?:is|for|to|of)\b|\bmy\s+(?:all-time\s+)?favou?rite\b"
    r"|\bi(?:['’]m| am)\s+(?:an?\s+)?(?:strict\s+)?(?:vegan|vegetarian|pescatarian|teetotal|allergic|intolerant|"
    r"(?:really |very |quite |so )?(?:fond of|keen on|partial to)|not (?:a )?(?:big |huge |great )?(?:fan of|fond of|keen on))\b",
    re.IGNORECASE,
)
# What is told of the user, as agents note it: "Prefers window seats", "User can't stand coriander". Without a subject only at the
# beginning of such a text: "Tom called. Prefers tea." is told of Tom. What nobody may eat or touch counts for whomever it is said.
_DATED: Final = r"\A\W{0,8}(?:\[[^\]\n]{1,40}\]\W{0,4})?"
_OF_USER: Final = rf"(?:(?:{_DATED}|[.!?;\n]\W{{0,8}})(?:the\s+)?user\s+|{_DATED})"
_TOLD_BEFORE: Final = re.compile(
    r"\A\W{0,8}(?:(?:the\s+)?user\b|(?-i:[A-Z])[a-z]+[^su\W]s\s|(?:has|is|was|does|can['’]t|cannot|doesn['’]t)\b)",
    re.IGNORECASE,
)
_TOLD_OFTEN: Final = r"(?:(?:[a-z]{2,15}ly|always|also|still|often|now|tends to)\s+){0,2}"
_AGENT: Final = r"(?:the\s+)?(?:assistant|agent|ai|bot|model|claude|chatgpt|copilot)"
_ANSWERS: Final = r"(?:answers|replies|responses|explanations)"
_TOLD_INSTRUCTION: Final = re.compile(
    rf"{_OF_USER}(?:has\s+)?{_TOLD_OFTEN}(?:(?:wants|expects|would like|asks|asked|requested|prefers|likes)\s+(?:{_AGENT}\s+)?to\s+"
    r"(?:always|never)\b"
    rf"|(?:wants|expects|would like|prefers|likes)\s+{_AGENT}\s+to\s+"
    r"(?:answer|reply|respond|speak|confirm|ask|avoid|be|call (?:them|him|her)|use (?:the )?(?:metric|formal|informal))\b"
    r"|(?:wants|expects|requested|prefers|likes|asks for|asked for)\s+(?!(?:the|these|those|all|his|her|their|your|our)\b)"
    rf"(?:(?:\w+,?\s+){{1,3}}?{_ANSWERS}\b(?!\s+(?:by|from|to)\b)|{_ANSWERS}\s+(?:in|with|without|under|as)\b))",
    re.IGNORECASE,
)
_DIET: Final = r"(?:vegan|vegetarian|pescatarian|teetotal|gluten[- ]free|lactose intolerant)"
_TOLD: Final = (
    r"(?:prefers?|likes(?!\s+(?:went|are|were|and)\b)|loves|hates|dislikes(?!\s+(?:are|were|and)\b)|enjoys|favou?rs|avoids|detests|"
    r"adores|insists on|refuses to|can['’]?t (?:stand(?! (?:up|still|here|in|on)\b)|eat|drink|tolerate|bear)|"
    r"cannot (?:stand(?! (?:up|still|here|in|on)\b)|eat|drink|tolerate|bear)|would (?:much )?(?:rather|prefer)|"
    r"(?:does not|doesn['’]t|will not|won['’]t) (?:like|enjoy|eat|drink|want|buy|use|trust|fly|wear|watch)|"
    r"(?:always|never) (?:picks|orders|buys|books|wears|drinks|eats|flies|travels|sits|chooses|reads|watches|drives|takes|uses)|"
    r"only (?:picks|orders|buys|books|wears|drinks|eats|flies|travels|sits|chooses|reads|watches|drives)"
    r"(?! (?:above|under|below|over|of|with|from)\b)|"
    rf"(?:is|has been)\s+(?:an?\s+)?(?:strict\s+)?(?:{_DIET}(?=\s*(?:[.,;!]|\Z)|\s+(?:since|and|but|for|now|with)\b)|"
    r"fond of|keen on)|"
    rf"follows an? (?:strict )?{_DIET}|wants (?:no|only)|has an? (?:\w+ )?preference for)\b(?!\s*[:-])"
)
_TOLD_PREFERENCE: Final = re.compile(
    rf"{_OF_USER}{_TOLD_OFTEN}(?:{_TOLD}|favou?rite\s[^.!?:;,\n]{{1,60}}\bis\b)"
    rf"|{_DATED}(?:the\s+)?user\b[^.!?\n]{{1,120}}\b(?:and|who|that they|that he|that she)\s+{_TOLD_OFTEN}{_TOLD}"
    r"|\buser['’]s (?:\w+\s+){0,2}(?:favou?rite|preferred|preferences?)\b[^.!?:;,\n]{0,60}\b(?:is|are|include)\b"
    r"|\b(?:is|are|was found)\s+(?:\w+ly\s+)?(?:allergic|intolerant) to\b"
    r"(?!\s+(?:criticism|work|mondays|meetings|change|nonsense|effort)\b)"
    rf"|{_DATED}(?:\w+ly\s+)?(?:allergic|intolerant) to\b|{_DATED}(?:the\s+)?user has an? (?:\w+ ){{1,2}}allergy\b",
    re.IGNORECASE,
)
_TOLD_AGAIN: Final = re.compile(rf"[.;\n]\W{{0,8}}{_TOLD_OFTEN}{_TOLD}", re.IGNORECASE)
# Where it is told of nobody, or of today.
_OF_NOBODY: Final = re.compile(
    r"\b(?:nobody|no one|none|who|whether|if|when|people|adults|computer|anybody|anyone)\b|%", re.IGNORECASE
)
_FOR_ONCE: Final = re.compile(r"\b(?:today|tonight|tomorrow|yesterday|this time)\b", re.IGNORECASE)
_SENTENCE_ENDS: Final = re.compile(r"[.!?\n]")
# "Tom told me: always lock the door", "My daughter says I prefer work": somebody else's words right before it.
_REPORTED: Final = re.compile(
    r"(?<!\bi )(?:\b(?:says?|saying|said|tells?|told|thinks?|believes?|claims?|goes|writes?|wrote|sings?|sang)\b"
    r"(?:\s+(?:me|us|him|her|them))?"
    r"|\b(?:motto|slogan|lyrics|proverb|headline|sign|title|song|poster|quote)\b[^.!?:\n]{0,20})\s*(?:that\s*|[:,]\s*)?\Z",
    re.IGNORECASE,
)
_BEFORE: Final = 60  # characters read before a wish


def _wished(pattern: re.Pattern[str], text: str) -> bool:
    """Say whether a pattern finds a wish that the text does not report of somebody else."""
    for found in pattern.finditer(text):
        # What stands at the beginning of a match is the end of the sentence, or of the part of it, before.
        start = found.start() + (1 if text[found.start()] == ":" else 0)
        if _REPORTED.search(text[max(0, start - _BEFORE) : start]) is None:
            return True
    return False


def _told(pattern: re.Pattern[str], text: str) -> bool:
    """Say whether a pattern finds what is told of the user, for good and as a fact."""
    for found in pattern.finditer(text):
        end = _SENTENCE_ENDS.search(text, found.end())
        stop = end.start() if end else len(text)
        before = text[max(0, found.start() - _BEFORE) : found.start()]
        asked = end is not None and end.group() == "?"
        same = re.split(r"[.!?\n]", before)[-1]  # what stands before it in its sentence
        if not asked and _OF_NOBODY.search(same) is None and _FOR_ONCE.search(text, found.end(), stop) is None:
            return True
    return False


def _is_told(text: str) -> bool:
    """Say whether a text tells what its user likes, as an agent notes it."""
    if _told(_TOLD_PREFERENCE, text):
        return True
    return _TOLD_BEFORE.match(text) is not None and _told(_TOLD_AGAIN, text)


def wish_in(text: str, language: str | None = None) -> Wish | None:
    """Return the kind of the wish that a text of somebody states, an instruction before a preference, None for none.

    Args:
        text: what was said; code and quotations are left out.
        language: BCP-47; None or ``und`` to let the text itself tell.

    >>> wish_in("Always give sources when I ask about medicine.").value
    'instruction'
    >>> wish_in("I'm packing for Rome and I prefer trains to planes, can you find one?").value
    'preference'
    >>> wish_in("Never thought I would see that."), wish_in("Should I always wear a helmet?")
    (None, None)
    >>> wish_in("Tom told me: always lock the door."), wish_in("My daughter says I prefer work.")
    (None, None)
    """
    spoken = (language or "").partition("-")[0].lower() or guess(text[:LONGEST_TEXT])
    if spoken not in _LANGUAGES:
        return None
    plain = _QUOTED.sub(" ", _CODE.sub(" ", text[:LONGEST_TEXT]))
    if _wished(_INSTRUCTION, plain) or _told(_TOLD_INSTRUCTION, plain):
        return Wish.INSTRUCTION
    return Wish.PREFERENCE if _wished(_PREFERENCE, plain) or _is_told(plain) else None
