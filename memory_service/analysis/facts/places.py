"""Countries by name, and which values exclude each other: who lives in Germany and in Berlin lives in one place. Pure."""

from typing import Final

_NAMES = """
afghanistan|albania|algeria|argentina|armenia|australia|austria|azerbaijan|bangladesh|belarus|belgium|bolivia|bosnia|
brazil|bulgaria|cambodia|cameroon|canada|chile|china|colombia|costa rica|croatia|cuba|cyprus|czech republic|czechia|
denmark|ecuador|egypt|england|estonia|ethiopia|finland|france|georgia|germany|ghana|great britain|greece|guatemala|
hungary|iceland|india|indonesia|iran|iraq|ireland|israel|italy|jamaica|japan|jordan|kazakhstan|kenya|kosovo|kuwait|
latvia|lebanon|lithuania|luxembourg|malaysia|malta|mexico|moldova|mongolia|montenegro|morocco|nepal|netherlands|
new zealand|nigeria|north macedonia|norway|pakistan|panama|paraguay|peru|philippines|poland|portugal|qatar|romania|
russia|rwanda|saudi arabia|scotland|senegal|serbia|slovakia|slovenia|south africa|south korea|korea|spain|sri lanka|
sweden|switzerland|syria|taiwan|tanzania|thailand|tunisia|turkey|uganda|uk|ukraine|united arab emirates|
united kingdom|united states|uruguay|us|usa|uzbekistan|venezuela|vietnam|wales|zambia|zimbabwe|deutschland|österreich|
schweiz|frankreich|italien|spanien|polen|england|allemagne|autriche|suisse|france|italie|espagne|pologne|alemania|
suiza|francia|italia|españa|polonia|germania|svizzera|europe|asia|africa|california|texas|florida|bavaria|bayern|
scandinavia
"""
COUNTRIES: Final = frozenset(_NAMES.replace("\n", "").split("|"))


def is_wide(place: str) -> bool:
    """Say whether a folded name is a country or another area that holds many towns.

    >>> is_wide("germany"), is_wide("the netherlands"), is_wide("berlin")
    (True, True, False)
    """
    return place.removeprefix("the ").strip() in COUNTRIES


def exclude_each_other(one: str, other: str) -> bool:
    """Say whether of two values, as they are compared, only one can hold: neither is part of the other, nor the land of the town.

    >>> [exclude_each_other("berlin", other) for other in ("munich", "north of berlin", "germany")]
    [True, False, False]
    """
    first, second = set(one.split()), set(other.split())
    return not (first <= second or second <= first) and is_wide(one) == is_wide(other)
