"""Words for times in German, French, Spanish and Italian; strings are alternatives of a pattern."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.tokens import MONTHS


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What one language calls times."""

    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    units: Mapping[str, str]
    numbers: Mapping[str, tuple[int, int]]  # the least and the most that is meant
    day_words: Mapping[str, int]
    seasons: Mapping[str, str]
    weekend: tuple[str, ...]
    last: tuple[str, ...]
    next: tuple[str, ...]
    this: tuple[str, ...]
    ago_before: str  # "vor zwei Tagen"; empty where it stands after
    ago_after: str
    ahead: str
    the: str  # before the number of a day
    of: str  # between day, month and year
    to: str
    and_: str
    from_: str
    since: str
    before: str
    until: str
    after: str
    on_weekday: str
    in_month: str
    in_season: str
    in_year: str
    past: str
    future: str


def _numbered(words: str) -> dict[str, int]:
    """Number words; those of one number are joined by a slash.

    >>> _numbered("a/b c")
    {'a': 0, 'b': 0, 'c': 1}
    """
    return {word: number for number, same in enumerate(words.split()) for word in same.split("/")}


def _months(language: str, *more: str) -> dict[str, int]:
    """Return the months of a language by name; `more` are "name number" pairs."""
    found = {name.lower(): number for number, name in enumerate(MONTHS[language], start=1)}
    return found | {name: int(number) for name, number in (pair.split() for pair in more)}


def _counts(words: str, vague: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {word: (number + 1, number + 1) for word, number in _numbered(words).items()} | dict(vague)


LEXICONS: Final[Mapping[str, Lexicon]] = {
    "de": Lexicon(
        months=_months("de", "jänner 1", "maerz 3", "jan 1", "feb 2", "mär 3", "apr 4", "aug 8", "sept 9", "okt 10", "nov 11", "dez 12"),
        weekdays=_numbered("montag dienstag mittwoch donnerstag freitag samstag/sonnabend sonntag"),
        units={
            "tag": "day", "tage": "day", "tagen": "day", "woche": "week", "wochen": "week", "monat": "month", "monate": "month",
            "monaten": "month", "jahr": "year", "jahre": "year", "jahren": "year", "stunde": "hour", "stunden": "hour",
            "jahrzehnt": "decade",
        },
        numbers=_counts(
            "einem/einer/ein/eine/einen zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
            {"ein paar": (2, 5), "paar": (2, 5), "einigen": (3, 7), "einige": (3, 7), "mehreren": (3, 7), "wenigen": (2, 5)},
        ),
        day_words={
            "vorgestern": -2, "gestern": -1, "gestern abend": -1, "gestern nacht": -1, "letzte nacht": -1, "heute": 0,
            "heute morgen": 0, "heute abend": 0, "heute früh": 0, "übermorgen": 2, "morgen früh": 1, "morgen abend": 1,
        },
        seasons={"frühling": "spring", "frühjahr": "spring", "sommer": "summer", "herbst": "autumn", "winter": "winter"},
        weekend=("wochenende",),
        last=tuple(["letzte", "letzten", "letzter", "letztes", "letztem", "vorige", "vorigen", "voriger", "voriges", "vergangene", "vergangenen", "vergangenes"]),
        next=tuple(["nächste", "nächsten", "nächster", "nächstes", "nächstem", "kommende", "kommenden", "kommendes"]),
        this=tuple(["diese", "diesen", "dieser", "dieses", "diesem"]),
        ago_before="vor", ago_after="", ahead="in", the=r"am\s+|den\s+|dem\s+|der\s+|vom\s+", of=r"", to=r"bis(?:\s+zum)?", and_="und",
        from_=r"zwischen|zwischen dem|von|vom|ab", since=r"seit|seit dem|ab|ab dem", before=r"vor|vor dem|bevor", until=r"bis|bis zum",
        after=r"nach|nach dem", on_weekday=r"am|seit|bis|ab|nächsten|diesen|letzten|jeden\b(?!)", in_month=r"im|seit|bis|ab|anfang|ende|mitte|nach|vor",
        in_season=r"im\s", in_year=r"im jahr|in|seit|vor|nach|bis|ab|anfang|ende|mitte|jahr",
        past=r"war|waren|hatte|hatten|habe|haben|hat|bin|ging|kam|sah|wurde|ge\w+t|ge\w+en", future=r"werde|werden|wird|wirst|will|wollen|möchte|plane|planen",
    ),
    "fr": Lexicon(
        months=_months("fr", "fevrier 2", "aout 8", "decembre 12", "janv 1", "févr 2", "juil 7", "sept 9", "déc 12"),
        weekdays=_numbered("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        units={
            "jour": "day", "jours": "day", "semaine": "week", "semaines": "week", "mois": "month", "an": "year", "ans": "year",
            "année": "year", "années": "year", "heure": "hour", "heures": "hour", "décennie": "decade",
        },
        numbers=_counts(
            "un/une deux trois quatre cinq six sept huit neuf dix onze douze",
            {"quelques": (2, 5), "plusieurs": (3, 7), "une quinzaine de": (14, 16), "une dizaine de": (9, 11)},
        ),
        day_words={
            "avant-hier": -2, "hier": -1, "hier soir": -1, "cette nuit": 0, "aujourd'hui": 0, "ce matin": 0, "ce soir": 0,
            "cet après-midi": 0, "demain": 1, "demain matin": 1, "demain soir": 1, "après-demain": 2,
        },
        seasons={"printemps": "spring", "été": "summer", "automne": "autumn", "hiver": "winter"},
        weekend=("week-end", "weekend"),
        last=tuple(["dernier", "dernière", "derniers", "dernières", "passé", "passée", "précédent", "précédente"]),
        next=tuple(["prochain", "prochaine", "prochains", "prochaines"]),
        this=("ce", "cet", "cette"),
        ago_before="il y a", ago_after="", ahead="dans", the=r"le\s+|du\s+|au\s+", of=r"de\s+|d'", to=r"au|à|jusqu'au|jusqu'à", and_=r"et|et le",
        from_=r"entre|entre le|de|du|d'", since=r"depuis|depuis le|à partir de|à partir du", before=r"avant|avant le", until=r"jusqu'à|jusqu'au|jusqu'en",
        after=r"après|après le", on_weekday=r"depuis|jusqu'à|avant|après|\ble|ce", in_month=r"en|depuis|avant|après|jusqu'en|au mois de|début|fin|mi",
        in_season=r"en\s|l'|au\s|cet\s", in_year=r"en|depuis|avant|après|jusqu'en|l'année|de|fin|début",
        past=r"ai|as|a|avons|avez|ont|suis|était|étais|avait|avais|sommes|sont", future=r"vais|va|allons|allez|vont|sera|serai|\w+rons|\w+rai|veux|voudrais|prévu",
    ),
    "es": Lexicon(
        months=_months("es", "setiembre 9", "ene 1", "abr 4", "ago 8", "dic 12"),
        weekdays=_numbered("lunes martes miércoles/miercoles jueves viernes sábado/sabado domingo"),
        units={
            "día": "day", "días": "day", "dia": "day", "dias": "day", "semana": "week", "semanas": "week", "mes": "month",
            "meses": "month", "año": "year", "años": "year", "hora": "hour", "horas": "hour", "década": "decade",
        },
        numbers=_counts(
            "un/una/uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
            {"un par de": (2, 3), "unos": (2, 5), "unas": (2, 5), "unos pocos": (2, 5), "varios": (3, 7), "varias": (3, 7), "algunos": (2, 5)},
        ),
        day_words={
            "anteayer": -2, "antes de ayer": -2, "ayer": -1, "anoche": -1, "ayer por la noche": -1, "hoy": 0, "esta mañana": 0,
            "esta noche": 0, "esta tarde": 0, "pasado mañana": 2, "mañana por la mañana": 1,
        },
        seasons={"primavera": "spring", "verano": "summer", "otoño": "autumn", "invierno": "winter"},
        weekend=("fin de semana", "finde"),
        last=tuple(["pasado", "pasada", "pasados", "pasadas", "último", "última", "últimos", "últimas"]),
        next=("próximo", "próxima", "proximo", "proxima", "que viene", "siguiente"),
        this=("este", "esta"),
        ago_before="hace", ago_after="", ahead="dentro de|en", the=r"el\s+|del\s+|al\s+", of=r"de\s+|del\s+", to=r"al|a|hasta|hasta el", and_=r"y|y el",
        from_=r"entre|entre el|desde|desde el|de|del", since=r"desde|desde el|a partir de|a partir del", before=r"antes de|antes del", until=r"hasta|hasta el",
        after=r"después de|después del|tras", on_weekday=r"el|desde el|hasta el|este", in_month=r"en|desde|hasta|antes de|después de|el mes de|a principios de|a finales de",
        in_season=r"en\s|en el\s|este\s|el\s", in_year=r"en|desde|hasta|antes de|después de|el año|de|año",
        past=r"fui|fue|fuimos|era|estaba|estuve|tuve|hice|hizo|he|ha|hemos|\w+é|\w+ó|\w+amos|\w+aron|\w+ieron", future=r"voy a|vamos a|va a|van a|\w+ré|\w+remos|\w+rá|quiero|planeo",
    ),
    "it": Lexicon(
        months=_months("it", "gen 1", "apr 4", "ago 8", "sett 9", "ott 10", "dic 12"),
        weekdays=_numbered("lunedì/lunedi martedì/martedi mercoledì/mercoledi giovedì/giovedi venerdì/venerdi sabato domenica"),
        units={
            "giorno": "day", "giorni": "day", "settimana": "week", "settimane": "week", "mese": "month", "mesi": "month",
            "anno": "year", "anni": "year", "ora": "hour", "ore": "hour", "decennio": "decade",
        },
        numbers=_counts(
            "un/una/uno due tre quattro cinque sei sette otto nove dieci undici dodici",
            {"un paio di": (2, 3), "qualche": (2, 5), "alcuni": (2, 5), "alcune": (2, 5), "parecchi": (3, 7), "diversi": (3, 7)},
        ),
        day_words={
            "l'altro ieri": -2, "l'altroieri": -2, "altro ieri": -2, "ieri": -1, "ieri sera": -1, "stanotte": 0, "oggi": 0, "stamattina": 0,
            "stasera": 0, "domani": 1, "domani mattina": 1, "domani sera": 1, "dopodomani": 2,
        },
        seasons={"primavera": "spring", "estate": "summer", "autunno": "autumn", "inverno": "winter"},
        weekend=("fine settimana", "weekend"),
        last=tuple(["scorso", "scorsa", "scorsi", "scorse", "passato", "passata", "ultimo", "ultima", "ultimi", "ultime"]),
        next=tuple(["prossimo", "prossima", "prossimi", "prossime"]),
        this=("questo", "questa", "quest'"),
        ago_before="", ago_after="fa", ahead="tra|fra", the=r"il\s+|dal\s+|al\s+|l'", of=r"di\s+|del\s+", to=r"al|a|fino al|fino a", and_=r"e|e il",
        from_=r"tra|tra il|fra|fra il|da|dal", since=r"da|dal|a partire da|a partire dal", before=r"prima di|prima del", until=r"fino a|fino al|entro",
        after=r"dopo|dopo il", on_weekday=r"di|da|fino a|\bil|questo", in_month=r"in|a|da|nel mese di|prima di|dopo|fino a|a inizio|a fine",
        in_season=r"in\s|d'|nell'|in\s|quest'", in_year=r"nel|dal|prima del|dopo il|fino al|anno|del",
        past=r"ho|hai|ha|abbiamo|hanno|ero|era|eravamo|sono stat[oa]|fui|fu", future=r"\w+rò|\w+remo|\w+rà|voglio|vorrei|andrò|prevedo",
    ),
}  # fmt: skip
