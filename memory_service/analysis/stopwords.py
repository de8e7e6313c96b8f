"""Words that carry no topic, per language, as they look after folding (lower case, straight apostrophes).

Question words are among them, because in a query they ask and do not describe. The month "may" and the name "will"
collide with modal verbs: "may" stays a term, since every dated memory of a May carries it; "will" goes.
Contractions need no entry: the tokeniser cuts "she's" to "she" and drops "don't".
"""

from typing import Final

_ENGLISH = """
a about above after again against all am an and any are aren as at be because been before being below between both
but by can could couldn d did didn do does doesn doing don dont down during each else few for from further had hadn
has hasn have haven having he her here hers herself him himself his how i if im in into is isn it its itself just ll
m ma me might mightn more most must mustn my myself needn no nor not now o of off on once only or other our ours
ourselves out over own re s same shall shan she should shouldn so some such t than that the their theirs them
themselves then there these they this those through to too under until up ve very was wasn we were weren what when
where which while who whom whose why will with won would wouldn y you your yours yourself yourselves
"""

_GERMAN = """
aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes auch auf aus bei beim
bin bis bist da damit dann das dass dein deine deinem deinen deiner dem den denn der des dessen dich die dies diese
diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer eure für
gegen habe haben hat hatte hatten hattest hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in indem
ins ist ja jede jedem jeden jeder jedes jene kann kein keine keinem keinen keiner können könnte man manche mein
meine meinem meinen meiner mich mir mit nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen
seiner selbst sich sie sind so solche soll sollte sondern sonst um und uns unser unsere unter vom von vor wann war
waren warst warum was weg weil welche welchem welchen welcher welches wem wen wenn wer werde werden wie wieder will
wir wird wirst wo wollen wollte wurde würde zu zum zur zwar zwischen über
"""

_FRENCH = """
a à ai aie ais ait alors as au aucun aura aurait aussi autre aux avaient avais avait avec avez avoir avons c ce ceci
cela ces cet cette chez ci comme comment d dans de des donc dont du elle elles en encore es est et étaient étais
était été être eu eux fait il ils j je l la là le les leur leurs lui m ma mais me même mes moi mon n ne ni nos notre
nous on ont ou où par pas peu peut plus pour pourquoi qu quand que quel quelle quelles quels qui s sa sans se sera
serait ses si sien soi son sont sous suis sur t ta te tes toi ton tous tout toute toutes très tu un une va vos votre
vous y
"""

_SPANISH = """
a al algo algunas algunos ante antes aquel aquella así aún aunque bien cada como cómo con contra cual cuál cuales
cuáles cuando cuándo cuanto cuánto de del desde donde dónde dos durante e el él ella ellas ellos en entre era eran
eres es esa esas ese eso esos esta está estaba estado estamos están estar estas este esto estos estoy fue fueron fui
ha había han has hasta hay he hemos la las le les lo los más me mi mí mis mucho muchos muy nada ni no nos nosotros
nuestra nuestro o os otra otras otro otros para pero poco por porque pues que qué quien quién quienes se sea ser si
sí sido sin sobre sois somos son soy su sus también tan tanto te tenía tengo ti tiene tienen todo todos tu tú tus un
una unas uno unos y ya yo
"""

_ITALIAN = """
a abbia abbiamo ad ai al alla alle allo anche ancora avere aveva avevo avuto c che chi ci ciò col come con contro
cosa cui d da dagli dai dal dalla dalle dallo degli dei del dell della delle dello di dopo dov dove due e è ed era
erano ero essere fa fu fra gli ha hai hanno ho i il in io l la le lei li lo loro lui ma me mi mia mie miei mio molto
ne negli nei nel nella nelle nello no noi non nostra nostro o ogni per perché perciò più poi quale quali quando
quanto quella quelle quelli quello questa queste questi questo qui se sei senza si sì sia siamo siete sono sta stata
stati stato su sua sue sugli sui sul sulla sulle suo suoi te ti tra tu tua tue tuo tuoi tutti tutto un una uno v vi
voi
"""

STOP_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(_ENGLISH.split()),
    "de": frozenset(_GERMAN.split()),
    "fr": frozenset(_FRENCH.split()),
    "es": frozenset(_SPANISH.split()),
    "it": frozenset(_ITALIAN.split()),
}

_NONE: Final[frozenset[str]] = frozenset()


def stop_words(language: str) -> frozenset[str]:
    """Give the stop words of a BCP-47 language; none where we have no list.

    >>> "the" in stop_words("en-GB"), "the" in stop_words("pl")
    (True, False)
    """
    return STOP_WORDS.get(language.partition("-")[0].lower(), _NONE)
