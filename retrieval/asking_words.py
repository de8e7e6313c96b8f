"""Words by which one speaks of asking and answering, not of any matter, for `framing`. English."""

from typing import Final

from memory_service.analysis.tokens import terms

OF_ASKING: Final = frozenset(
    terms(
        "a able above access accordance according accurate accurately advance again agent ai also always another answer "
        "answerable answering answers anyone anything applicable approximate approximately arguments asap ask asked asking "
        "assistant assume assumption available b back base based begin below best between bit bot both brief briefly btw bullet "
        "bullets c call can carefully cc chance chat chatbot chats check cheers chinese choice choices choose clear clearly "
        "client complete concise concisely consider considering consult contain containing contains context contexts "
        "conversation conversations correct could curiosity curious current currently customer d database date dates day days "
        "detail detailed details dialog dialogue direct directly discussion discussions do document documents does done "
        "dutch earlier end english entire ever everything exact exactly example examples excerpt excerpts excuse exist exists "
        "expert explain explanation explanations factual false fetch final find five follow following follows format found four "
        "french full fully function fyi generate generates german get give given gives giving goal good great guess guessing "
        "haha hallucinate happy hello help helpful helping helps here hey hi histories history hiya hmm honest honestly human "
        "hurry id ids include included including infer inferred info information input inside instruct instruction instructions "
        "intelligent invent italian item items japanese job json just keep kindly know knowing knowledge language last latest "
        "least let letter like limit line lines list log logs lol long long-term look lookup lot made main make making markdown "
        "max maximum memories memory mention mentioned mentions message messages minute model moment more most much multiple "
        "must need needed needs never new next no nobody none not note notes nothing now null ok okay one only option options "
        "order ordered other output outside own paragraph passage passages past person phrase phrases pick plain please point "
        "points portuguese possible possibly precise precisely previous prior produce prompt provide provided q queries query "
        "question questions quick quickly r rank ranked read real really reason reasoning recall record records refer reference "
        "related relevant rely remember remind reminder rephrase replies reply request requests respond response responses "
        "retrieval retrieve retrieved retrieving return returns rewrite role rush said say says search searching second see "
        "select self sentence sentences session sessions short short-term shortly should simple simply single six so someone "
        "something sorry spanish speak speaker speakers specific specifically speculate start state stated states stay step "
        "steps store stored succinct summary super sure system tag tags task tasked tasks tell ten term text thank thanks "
        "there thing things think thinking thought thoughts three thx time today told tool tools top transcript "
        "transcripts true try trying two u um unknown unsure urgent urgently use used user uses using very want wants "
        "way well whatever whenever whole wonder wondering word words work would write writing written xml yaml yes"
    )
)
