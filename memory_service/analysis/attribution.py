"""Say who speaks where a name or a role stands before what was said, as chat logs have it: "Rosa: Hey, how was Oslo?". Pure.

Many agents write the name into the text and leave `speaker` open. "I" is nobody then, and whoever asks about Rosa does not find
what she said of herself. But notes begin the same way ("Diet: I eat no meat", "Translate: how are you?"), and what stands before
one text alone may be anything. So names are believed where texts that come together make a conversation, or where they are known
to speak already.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.tokens import MONTHS, ROLES
from memory_service.analysis.traits import traits

_WORD: Final = r"[^\W\d_][^\s:：,;!?()\[\]{}<>\"“”/\\|*_#=+@~`]{0,30}"
_HANDLE: Final = r"@?[^\W_][\w.-]{1,30}"
_NAME: Final = rf"(?:{_WORD}(?:[ ]{_WORD}){{0,2}}|{_HANDLE})"
# A date may stand before the name, as messengers export it, bullets or quotes before that; Markdown or angle brackets around it.
_STAMP: Final = (
    r"(?:[\[(][^\[\]()\n]{0,30}\d[^\[\]()\n]{0,30}[\])]|\d[\d./:, TZ-]{3,24}(?:[ap]\.?m\.?)?)\s{0,3}(?:[-–]\s)?"
)
_NAMED: Final = (
    rf"[ \t]{{0,8}}(?:[>*•-][ \t]{{1,3}})?(?:{_STAMP})?(?:(?P<mark>\*\*|__)?(?P<name>{_NAME})(?:(?P=mark):|:(?P=mark)|:)(?=[ \t]|$)"
    rf"|<(?P<angle>{_NAME})>(?=[ \t]|$)|(?P<wide>[^\W\d_]{{1,8}})：)"
)
_BEFORE: Final = re.compile(rf"\s{{0,3}}{_NAMED}[ \t]*(?=\S)")
_FURTHER_LINE: Final = re.compile(rf"[\n\r\v\f\x85\u2028\u2029]{_NAMED}", re.MULTILINE)
_READ: Final = (
    240  # characters behind the name that are looked at: how somebody begins tells whether he talks to another
)
_READ_LINES: Final = 8_000  # characters in which another speaker is looked for
_TALKS: Final = re.compile(
    r"[?？]|\b(?:you|your|yours|yourself|you['’](?:re|ve|ll|d)|y['’]all|dich|dir|dein\w*|euch|tu|toi|vous|votre|tú|usted|ustedes|contigo|"
    r"vosotros|tuo|tua|tuoi|voi|você|vocês)\b|[你您妳]|あなた",
    re.IGNORECASE,
)
_GREETS: Final = re.compile(
    r"(?:hey|hi|hello|hiya|thanks|thank you|wow|haha\w*|lol|omg|congrats|congratulations|hallo|danke|tschüss|salut|bonjour|merci|"
    r"hola|gracias|ciao|grazie|olá|obrigad[oa])\b",
    re.IGNORECASE,
)
_WIDE_SELF: Final = re.compile("[我咱私僕俺]")  # in Chinese and Japanese, whose words `traits` does not part
_PARTICLES: Final = frozenset(
    re.findall(r"\w+", "van von de der den del della di da dos du la le el al bin ibn ben y e")
)
# What notes, letters and answers put before a colon. One of these words, and it is no name.
_LABELS: Final = (
    "abstract action actions address advice agenda agent ai allergies allergy alternatively analysis announcement answer answers "
    "app article assistant attention author background bio birthday body bonus book bot breakfast bug budget career caution "
    "chapter client code color comment comments company conclusion contact contents context conversation cost customer date day "
    "deadline decision decisions default definition description details diet dinner disclaimer discussion dislikes document "
    "draft edit education email end error event evening example examples exercise experience fact facts family favorite "
    "favorites favourite favourites feedback file film first followup food format formula from fun fwd fyi game genre goal goals "
    "guess habit habits health hint history hobbies hobby home homework hotel human hypothesis idea ideas image important info "
    "information ingredients input instruction instructions insight insights interest interests intro introduction issue item "
    "job joke journal key language last later lesson likes limit link list location lunch mail meaning medication meeting memo "
    "memory message method milestone mission model mood moral morning motto movie music name news next night note notes notice "
    "number objective occupation offer one opinion option options order outcome output overview owner page paragraph part password "
    "people person persona pet pets phone photo picture place plan plans please poem position preference preferences price "
    "priority pro problem process profession profile project prompt pros cons ps purpose query question questions quick quote "
    "rating reason reasons recap recipe recommendation reference relationship remember reminder reply report request requirement "
    "requirements response result results review role rule rules said school scenario scene schedule second section see setup "
    "side skill skills solution song source speaker sport sports start state statement status step steps story strategy style "
    "subject suggestion suggestions summary support symptom symptoms system table tag tags task tasks test text then thesis "
    "thing things thought thoughts time tip tips title tldr today todo tomorrow tonight tool tools topic total transcript travel "
    "translation trip tv type update updates urgent url use user username value verdict version video wait warning website "
    "weather week weekend why wish word work workout yesterday you "
    "a about actually again all also although am an and any anyway are as at be because before besides but by can dear did do does "
    "either else especially everyone finally for great guys had has have he hello her here hey hi his how however i if in is it "
    "its like maybe me moreover my no nobody now of oh ok okay on only or our perhaps really right she so sorry still sure thanks "
    "that the their there therefore these they this those though thus to too us was we well were what when where which who with "
    "would wow yes yet your "
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays "
    "achtung adresse anmerkung antwort arbeit aufgabe aufgaben beispiel beruf betreff datum ergebnis erinnerung essen familie "
    "frage fragen heute hinweis hobbys idee ideen info morgen notiz notizen ort plan problem rezept thema tipp titel wichtig "
    "wohnort ziel ziele zusammenfassung zutaten montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "attention conseil date demain exemple famille idée idées ingrédients lieu note objectif problème question rappel recette "
    "remarque réponse résumé sujet tâche travail lundi mardi mercredi jeudi vendredi samedi dimanche "
    "asunto atención ayer consejo correo dirección ejemplo familia fecha hoy idea importante ingredientes mañana meta nota "
    "objetivo plan pregunta problema receta recordatorio respuesta resumen tarea tema trabajo título lunes martes miércoles "
    "jueves viernes sábado domingo "
    "attenzione compito consiglio data domanda esempio famiglia lavoro luogo nota obiettivo oggetto oggi promemoria ricetta "
    "riassunto risposta titolo lunedì martedì mercoledì giovedì venerdì sabato domenica "
    "注意 备注 問題 问题 答案 提示 总结 例如 質問 回答 注 メモ 例 予定"
)
_ROLE_OF: Final = {
    name: role
    for role, names in {
        "user": "user human nutzer benutzer utilisateur usuario utente 用户 ユーザー",
        "assistant": "assistant ai chatbot assistent asistente assistente 助手 アシスタント",
    }.items()
    for name in names.split()
}
"""By which names transcripts call a user and his assistant."""
_NO_NAMES: Final = (
    frozenset(_LABELS.split()) | ROLES | {month.casefold() for months in MONTHS.values() for month in months}
)
_SPOKEN_BY: Final = (None, "user", "assistant")  # roles, in the order in which names are believed
_MOST: Final = 0.8  # of the texts that come together begin with names where they make a conversation
_TALKING: Final = 0.2  # of those at least talk to somebody
_TWICE: Final = 2  # texts of one speaker at least, three where the name is not written as one
_ALONE: Final = 5  # texts of one speaker where nobody else speaks


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text, and what its caller says of who said it."""

    text: str
    speaker: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks by the name before a text: somebody by name, or a role."""

    speaker: str | None = None
    role: str | None = None


def attributed(
    said: Sequence[Utterance], known: Collection[str] = (), *, before: Sequence[Utterance] = ()
) -> list[Voice | None]:
    """Return who speaks by the name before each text; None where the caller states it, or nothing shows it.

    Texts make a conversation where most of them begin with names, few names in turn, two of them speak of themselves or greet, and
    some talk to somebody: ask, say "you", greet. A role needs no conversation: it is one where both are named, or where what
    follows tells of who speaks.

    Args:
        said: Texts of one namespace.
        known: Who is known to speak there.
        before: What was said there before, which tells of it, too.

    >>> def speakers(*texts, known=(), **fields):
    ...     return [one and (one.speaker or one.role) for one in attributed([Utterance(t, **fields) for t in texts], known)]
    >>> speakers("Rosa: I moved to Oslo.", "Ben: Wow, when?", "Rosa: In May. You must come!", "Ben: I will.")
    ['Rosa', 'Ben', 'Rosa', 'Ben']
    >>> speakers("Diet: I eat no meat.", "Translate: how are you?"), speakers("Rosa: Hey, how was Oslo?")
    ([None, None], [None])
    >>> speakers("emi_92: I moved to Oslo.", known=["emi_92"]), speakers("User: I moved.", "Assistant: Good.")
    (['emi_92'], ['user', 'assistant'])
    """
    written = [_written_before(one.text) if _is_open(one) else None for one in said]
    if not any(written):
        return [None] * len(said)
    earlier = [one for one in before if _is_open(one)]
    together = [_written_before(one.text) for one in earlier]
    together += [found for one, found in zip(said, written, strict=True) if _is_open(one)]
    names = _conversing(together) | _by_folded(one.speaker for one in said if one.speaker) | _by_folded(known)
    both = len({found.role for found in together if found and found.role}) > 1
    return [
        None if found is None else _voice(one, found, names, both=both)
        for one, found in zip(said, written, strict=True)
    ]


def conversing(said: Sequence[Utterance]) -> list[str]:
    """Return who speaks in texts that make a conversation; nobody where they make none, see `attributed`.

    >>> conversing([Utterance(one) for one in ("Rosa: I moved.", "Ben: Wow, when?", "Rosa: In May.", "Ben: Good.")])
    ['Rosa', 'Ben']
    """
    return list(_conversing([_written_before(one.text) for one in said if _is_open(one)]).values())


def _is_open(one: Utterance) -> bool:
    return not one.speaker and one.role in _SPOKEN_BY


def _voice(one: Utterance, found: "_Written", names: Mapping[str, str], *, both: bool) -> Voice | None:
    if found.role:
        shown = one.role is None and (both or found.tells)
        return Voice(role=found.role) if shown else None
    speaker = names.get(_folded(found.name))
    return Voice(speaker) if speaker else None


def _conversing(together: Sequence["_Written | None"]) -> dict[str, str]:
    """Return who speaks in texts that make a conversation, by folded names; nobody where they make none."""
    named = [found for found in together if found and not found.role and not _heads(found.name)]
    times = Counter(_folded(found.name) for found in named)
    written = {_folded(found.name): found.name for found in reversed(named)}
    speaking = {name for name, n in times.items() if n >= _TWICE + (not _shaped(written[name]))}
    theirs = [found for found in named if _folded(found.name) in speaking]
    talking = sum(found.talks for found in theirs)
    # What stands behind labels asks now and then, and says "your"; it neither speaks of itself nor greets.
    selves = {_folded(found.name) for found in theirs if found.tells}
    people = len(selves) > 1 or (
        len(speaking) == 1 and len(theirs) >= _ALONE and 2 * talking >= len(theirs) and bool(selves)
    )
    in_turn = len(named) >= _TWICE * len(times) and len(named) >= _MOST * len(together)
    if not (people and in_turn and talking >= max(1, _TALKING * len(named))):
        return {}
    return {name: written[name] for name in times if name in speaking}


def names_somebody(text: str) -> bool:
    """Say whether a name may stand before a text, whatever shows that it is one."""
    return _written_before(text) is not None


def begins_with(text: str, name: str) -> bool:
    """Say whether a text itself says who speaks, so that nobody has to write the name before it again.

    >>> begins_with("Rosa: I moved.", "Rosa"), begins_with("Rosa moved.", "Rosa"), begins_with("Human: I moved.", "user")
    (True, False, True)
    """
    return said_from(text, [name]) > 0


def said_from(text: str, names: Collection[str | None]) -> int:
    """Return where in a text begins what somebody of these names says: behind the name, where it stands before it.

    >>> said_from("Rosa: I moved.", ["Rosa", None]), said_from("Diet: I eat no meat.", ["Rosa"]), said_from("AI: ok", ["assistant"])
    (6, 0, 4)
    """
    found = _BEFORE.match(text) if any(names) else None
    if found is None:
        return 0
    name = _folded(_name_in(found))
    meant = {_folded(one) for one in names if one}
    return found.end() if name in meant or _ROLE_OF.get(name) in meant else 0


@dataclass(frozen=True, slots=True)
class _Written:
    """What stands before a text as a name would.

    Attributes:
        name: As it is written.
        role: The role that it calls; then nobody is named.
        talks: What follows talks to somebody.
        tells: What follows tells of who speaks, or greets in his name.
    """

    name: str
    role: str | None
    talks: bool
    tells: bool


def _written_before(text: str) -> _Written | None:
    found = _BEFORE.match(text)
    if found is None:
        return None
    name = _name_in(found)
    role = _ROLE_OF.get(_folded(name))
    if (role is None and _folded(name) in ROLES) or _several_speak(text, found.end(), role):
        return None
    rest = text[found.end() : found.end() + _READ]
    return _Written(name, role, bool(_TALKS.search(rest) or _GREETS.match(rest)), _tells(rest, named=role is None))


def _tells(said: str, *, named: bool) -> bool:
    """Say whether somebody speaks of himself; one who is named also where he greets."""
    return traits(said).first_person > 0 or bool(_WIDE_SELF.search(said)) or (named and bool(_GREETS.match(said)))


def _several_speak(text: str, start: int, role: str | None) -> bool:
    """Say whether another line begins with a name as well, so that nobody says all of it."""
    further = map(_name_in, _FURTHER_LINE.finditer(text, start, start + _READ_LINES))
    return any(_folded(one) in _ROLE_OF or (role is None and not _heads(one)) for one in further)


def _name_in(found: re.Match[str]) -> str:
    return (found["name"] or found["angle"] or found["wide"]).removeprefix("@")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().removeprefix("@")


def _heads(name: str) -> bool:
    """Say whether one of the words is what notes, letters and answers begin with."""
    return any(word.rstrip(".").casefold() in _NO_NAMES for word in name.split())


def _shaped(name: str) -> bool:
    """Say whether this is written as names of people are; what is in capitals throughout is a heading."""
    words = [word for word in name.split() if word not in _PARTICLES]
    cased = all(not word[0].islower() for word in words)
    return bool(words) and cased and len(name) > 1 and not name.isupper() and not any(map(str.isdigit, name))


def _by_folded(names: Iterable[str]) -> dict[str, str]:
    return {_folded(name): name for name in names if _folded(name) not in ROLES}
