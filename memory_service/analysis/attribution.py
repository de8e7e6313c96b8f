"""Say who speaks where a name or a role stands before what was said, as chat logs have it: "Rosa: Hey, how was Oslo?". Pure.

Many agents write the name into the text and leave `speaker` open. "I" is nobody then, and whoever asks about Rosa does not find
what she said of herself. But notes begin the same way ("Diet: I eat no meat"), so a name is believed where it is known to
speak already, or where the text talks to somebody: it asks, says "you", or opens as people do who answer each other.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.tokens import MONTHS, ROLES
from memory_service.analysis.traits import traits

_WORD: Final = r"[^\W\d_](?:[^\W_]|['’.-](?=[^\W_])){0,30}\.?"
_NAME: Final = rf"{_WORD}(?:[ ]{_WORD}){{0,2}}"
_HANDLE: Final = r"@?[^\W_][\w.-]{1,30}"
# A date may stand before the name, Markdown or angle brackets around it; what follows stands on the same line.
_BEFORE: Final = re.compile(
    r"\s{0,3}(?:[\[(][^\[\]()\n]{0,30}\d[^\[\]()\n]{0,30}[\])]\s{0,3}(?:-\s)?)?"
    rf"(?:(?P<mark>\*\*|__)?(?P<name>{_NAME}|{_HANDLE})(?:(?P=mark):|:(?P=mark)|:)[ \t]+|<(?P<angle>{_NAME}|{_HANDLE})>[ \t]+"
    r"|(?P<wide>[^\W\d_]{1,12})：[ \t]*)(?=\S)"
)
_READ: Final = (
    240  # characters behind the name that are looked at: how somebody begins tells whether he talks to another
)
_TALKS: Final = re.compile(
    r"[?？]|\b(?:you|your|yours|yourself|you['’](?:re|ve|ll|d)|y['’]all|ya|du|dich|dir|dein\w*|euch|ihr|tu|toi|ton|tes|vous|votre|"
    r"vos|tú|ti|tus|usted|ustedes|vosotros|tuo|tua|tuoi|voi|vostro|vostra|você|vocês|seu)\b|[你您妳]",
    re.IGNORECASE,
)
_OPENS: Final = re.compile(
    r"(?:hey|hi|hello|hiya|thanks|thank you|wow|whoa|yeah|yes|yep|yup|nope|nah|ha(?:ha)+|lol|oh|aw+|ok|okay|sure|congrats|"
    r"congratulations|bye|good (?:morning|night|evening)|sorry|sounds|cool|awesome|hm+|ah+|ugh|omg|hallo|servus|danke|genau|"
    r"klar|tschüss|ja|nein|salut|bonjour|merci|oui|non|d['’]accord|hola|gracias|sí|vale|claro|ciao|grazie|olá|obrigad[oa])\b",
    re.IGNORECASE,
)
_FURTHER_LINE: Final = re.compile(rf"\n[ \t]{{0,3}}(?:\*\*|__)?(?P<name>{_NAME})(?:\*\*|__)?:")
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
OFTEN: Final = 3  # texts that come together: before so many, a handle or a name in small letters is no accident


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


def attributed(said: Sequence[Utterance], known: Collection[str] = ()) -> list[Voice | None]:
    """Return who speaks by the name before each text; None where the caller states it, or nothing shows it.

    Texts that come together tell of each other: a name that one shows to speak is believed before all, and a role where both
    are named. What an assistant says begins with headings more often than with his name, so his is believed only where others
    are named, too.

    Args:
        said: Texts of one namespace.
        known: Who is known to speak there.

    >>> def speakers(*texts, known=(), **fields):
    ...     return [one and (one.speaker or one.role) for one in attributed([Utterance(t, **fields) for t in texts], known)]
    >>> speakers("Rosa: I moved to Oslo.", "Ben: Wow, when?", "Rosa: Last May. You must come!")
    ['Rosa', 'Ben', 'Rosa']
    >>> speakers("Diet: I eat no meat.", "Note: you can sleep here."), speakers("Ann: Hi!", role="tool")
    ([None, None], [None])
    >>> speakers("emi_92: I moved to Oslo.", known=["emi_92"]), speakers("User: I moved.", "Assistant: Good.")
    (['emi_92'], ['user', 'assistant'])
    """
    written = [None if one.speaker or one.role not in _SPOKEN_BY else _written_before(one.text) for one in said]
    if not any(written):
        return [None] * len(said)
    pairs = [(one, found) for one, found in zip(said, written, strict=True) if found]
    names = _believed(pairs, _by_folded([*known, *(one.speaker for one in said if one.speaker)]))
    both = len({found.role for one, found in pairs if found.role and one.role is None}) > 1
    return [
        None if found is None else _voice(one, found, names, both=both)
        for one, found in zip(said, written, strict=True)
    ]


def _voice(one: Utterance, found: "_Written", names: Mapping[str, str], *, both: bool) -> Voice | None:
    if found.role:
        shown = one.role is None and (both or found.talks or found.tells)
        return Voice(role=found.role) if shown else None
    speaker = names.get(found.name.casefold())
    return Voice(speaker) if speaker else None


def _believed(pairs: Sequence[tuple[Utterance, "_Written"]], names: Mapping[str, str]) -> Mapping[str, str]:
    """Add to names, by their folded forms, those that texts show to speak."""
    times = Counter(found.name for _, found in pairs)
    for role in _SPOKEN_BY:
        if role == "assistant" and not names:
            break
        shown = {found.name for one, found in pairs if found.talks and not found.role and one.role == role}
        believed = [name for name in sorted(shown) if not _heads(name) and (_shaped(name) or times[name] >= OFTEN)]
        names = {**_by_folded(believed), **names}
    return names


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
    name = _name_in(found).casefold()
    meant = {one.casefold() for one in names if one}
    return found.end() if name in meant or _ROLE_OF.get(name) in meant else 0


@dataclass(frozen=True, slots=True)
class _Written:
    """What stands before a text as a name would.

    Attributes:
        name: As it is written.
        role: The role that it calls; then nobody is named.
        talks: What follows talks to somebody.
        tells: What follows tells of who speaks.
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
    role = _ROLE_OF.get(name.casefold())
    if (role is None and name.casefold() in ROLES) or _several_speak(text, found.end(), role):
        return None
    rest = text[found.end() : found.end() + _READ]
    talks = bool(_TALKS.search(rest) or _OPENS.match(rest))
    return _Written(name, role, talks, role is not None and traits(rest).first_person > 0)


def _several_speak(text: str, start: int, role: str | None) -> bool:
    """Say whether another line begins with a name as well, so that nobody says all of it."""
    further = (found["name"] for found in _FURTHER_LINE.finditer(text, start))
    return any(one.casefold() in _ROLE_OF or (role is None and _shaped(one) and not _heads(one)) for one in further)


def _name_in(found: re.Match[str]) -> str:
    return (found["name"] or found["angle"] or found["wide"]).removeprefix("@")


def _heads(name: str) -> bool:
    """Say whether one of the words is what notes, letters and answers begin with."""
    return any(word.rstrip(".").casefold() in _NO_NAMES for word in name.split())


def _shaped(name: str) -> bool:
    """Say whether this is written as names of people are; what is in capitals throughout is a heading."""
    words = [word for word in name.split() if word not in _PARTICLES]
    cased = all(not word[0].islower() for word in words)
    return bool(words) and cased and len(name) > 1 and not name.isupper() and not any(map(str.isdigit, name))


def _by_folded(names: Iterable[str]) -> dict[str, str]:
    return {name.casefold(): name for name in names if name.casefold() not in ROLES}
