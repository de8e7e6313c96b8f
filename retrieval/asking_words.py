"""Words by which one asks, and those by which one speaks of asking and answering, for `framing` and `transcript`. English."""

import re
from typing import Final

from memory_service.analysis.tokens import terms

MARKS: Final = "?？؟"
WH: Final = r"(?:what|when|where|which|who|whom|whose|why|how)(?:['’]\w+)?\b"
AUXILIARY: Final = (
    r"(?:am|are|can|could|did|do|does|had|has|have|is|may|might|must|shall|should|was|were|will|would)(?:n['’]?t)?\b"
)
ASKS: Final = re.compile(
    rf"\W*(?:(?:and|so|but|about|at|for|from|in|of|on|since|to|until|with)\s+)?(?:{WH}|{AUXILIARY}\s|"
    r"(?:list|tell|name|describe|summari[sz]e|give|find|show|recall|compare|explain|remind|recommend|suggest)\b)",
    re.IGNORECASE,
)


def asks(text: str) -> bool:
    """Say whether a text asks something by itself."""
    return any(mark in text for mark in MARKS) or ASKS.match(text) is not None


STRONG: Final = frozenset(
    terms(
        "instructions cite guess guessing answer answers answered answering answerable respond responds reply replies "
        "question questions query queries please pls plz thanks thank thx cheers hey heyyy hi hello greetings sorry excuse "
        "appreciate appreciated assistant chatbot concise concisely briefly brief succinct succinctly preamble hallucinate "
        "hallucination verbatim quickly asap urgent wondering"
    )
)
"""A part with one of them speaks of asking, if nothing it says is of a matter."""
WEAK: Final = frozenset(
    terms(
        "yyyy-mm-dd conversation conversations chat chats dialogue dialogues dialog discussion discussions memory memories "
        "context contexts history histories transcript transcripts messages information passage passages excerpt excerpts "
        "notes records logs response responses based base according given using use rely refer consult consider search "
        "check retrieve retrieved relevant provided stored following above below past previous prior think step carefully "
        "reasoning explain explanation explanations invent speculate assume include only just exact exactly precise "
        "precisely specific short shortly simple sentence sentences word words bullet bullets format json markdown xml yaml "
        "output sure unsure know tell talked discussed mentioned quick confidence valid extra"
    )
)
"""Two of them do."""
LIGHT: Final = frozenset(
    terms(
        "thing things fact facts event events preference preferences ask asked asking request requests say says said user "
        "human person ai agent model system helpful expert intelligent document documents text session sessions available "
        "related accordance reference read look searching find found fetch retrieval return returns get recall remember "
        "reminder remind lookup store long-term short-term long term access tool tools function call arguments list point "
        "points item items phrase phrases paragraph line lines letter option options choice choices correct multiple single "
        "one two three four five ten approximate approximately specifically simply direct directly plain clear clearly "
        "honest honestly accurate accurately factual detailed detail details complete full fully final also always never "
        "ever kindly ok okay well so um rush hurry chance whenever moment minute second time curious curiosity knowledge "
        "possible thoughts work inside outside tag tags including included mention make made making anything everything "
        "something nothing need needs needed want wants like would could can help helps helping task tasks instruction "
        "instructions goal role follow follows write writing written produce generate give gives giving select choose pick "
        "rank ranked order top best good able try trying do does done keep stay limit max maximum least most date dates "
        "today now current yes no not none unknown inferred infer contain contains exist exists state start end begin next "
        "another more again back far see let happy great lot advance rewrite rephrase input prompt example examples summary day "
        "here there way speaker speakers language tasked between should must bit real really super very much lol btw fyi "
        "string number field fields key value score fence fences additional hope hoping forgot forget totally bother "
        "trouble mind evidence support citations source sources quote quotes without unless otherwise instead rather "
        "regarding concerning about pertaining confirm verify determine identify figure empty missing sufficient enough "
        "whole entire both action thought observation memory_search search_memory database vector true false"
    )
)
"""They may stand beside those, and say nothing by themselves: "The database is down" is of a matter."""
