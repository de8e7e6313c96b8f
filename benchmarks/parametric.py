"""What a cube is worth beside a plain search by vectors, on made texts: the right memory first, and milliseconds.

Needs a running service with a worker, and scratch space in it: every size makes a namespace of its own, which is emptied in the
end.

    python -m benchmarks.parametric

Two sets of pairs. In *plain* ones the memory holds the words of its cue, as a search expects it. In *private* ones it does not:
a project has a code name that no memory mentions, and only who was taught knows what it is about. A cube is taught one wording
of each cue and asked with two others; the search is asked the same, on the vector channel alone: over the memories, and over
the cues themselves, which is what a store of cues without any weights would answer. Strange questions, about
things that no cue is near, say how often a cube answers what it should not.
"""

import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.metrics import median, percentile
from benchmarks.provenance import RESULTS, provenance
from benchmarks.readable import readable_failures
from benchmarks.results import write_result
from benchmarks.subject import Wire, arguments, connection
from memory_service.cli.client import ServiceClient
from memory_service.cli.console import output, progress_bar
from memory_service.cli.failures import CommandFailure

SIZES: Final = (50, 100, 200, 400)
PATIENCE_S: Final = 300.0


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split(";"))


PEOPLE: Final = _listed(
    "Ada; Boris; Chen; Dina; Emeka; Farah; Goran; Hana; Igor; Jutta; Kofi; Lena; Mato; Nora; Omar; Petra; Quinn; Rosa; Sven; Tara"
)
THINGS: Final = _listed(
    """projector; ladder; bicycle; toolbox; tent; kettle; atlas; camera; violin; telescope; lantern; sewing-machine; typewriter;
    microscope; sledge; chessboard; easel; barometer; accordion; wheelbarrow"""
)
PLACES: Final = _listed(
    """in the oak cupboard; behind the blue door; under the stairs; on the top shelf; in the cellar; beside the stove;
    in the garden shed; above the wardrobe; at the back of the garage; in the hall"""
)
DEEDS: Final = _listed(
    """signed the lease for the harbour office; ordered forty chairs; called the plumber about the leak;
    translated the manual into Danish; hired two drivers for the autumn; repaired the north fence;
    paid the deposit for the concert hall; shipped the samples to Porto; cancelled the insurance of the van;
    planted a row of lime trees"""
)
CODE_A: Final = _listed(
    """Amber; Basalt; Cobalt; Dune; Ember; Fjord; Granite; Harbor; Indigo; Juniper; Krypton; Lotus; Magnet; Nebula; Onyx;
    Prairie; Quartz; Raven; Saffron; Tundra"""
)
CODE_B: Final = _listed(
    """Falcon; Anchor; Beacon; Comet; Drum; Eagle; Flute; Garden; Hammer; Island; Jacket; Kernel; Ladle; Mirror; Needle;
    Orchard; Pepper; Quiver; Ribbon; Saddle"""
)
STRANGE: Final = _listed(
    """How does photosynthesis turn light into sugar?; Who won the chess olympiad in 1972?;
    What is the boiling point of mercury?; Explain the rules of cricket.; Why did the Hanseatic League decline?;
    Write a haiku about snow.; How do I sort a list in Haskell?; Which planet has the most moons?;
    What does a mitral valve do?; Recommend a recipe for lentil soup.; When was the printing press invented?;
    How high is Kilimanjaro?; What is the capital of Bhutan?; How are glaciers formed?; Define the word obsequious.;
    Which enzymes digest starch?; What causes inflation?; How do submarines navigate?; Who painted the Night Watch?;
    How is cheese aged?"""
)


@dataclass(frozen=True, slots=True)
class Made:
    """A memory, the cue it is taught by, and other wordings of that."""

    content: str
    cue: str
    paraphrases: tuple[str, str]


def made(kind: str, size: int, *, seed: int) -> list[Made]:
    """Return texts of a kind, no two alike.

    >>> made("plain", 1, seed=1)[0].content != made("private", 1, seed=1)[0].content
    True
    """
    rng = random.Random(seed)
    if kind == "plain":
        chosen = rng.sample([(person, thing) for person in PEOPLE for thing in THINGS], size)
        return [
            Made(
                f"{person} keeps the {thing} {rng.choice(PLACES)}.",
                f"Where is the {thing} of {person}?",
                (f"In which place does {person} store the {thing}?", f"I am looking for {person}'s {thing}."),
            )
            for person, thing in chosen
        ]
    codes = rng.sample([f"{a} {b}" for a in CODE_A for b in CODE_B], size)
    deeds = rng.sample([(person, deed, place) for person in PEOPLE for deed in DEEDS for place in PLACES], size)
    return [
        Made(
            f"{person} {deed} and left the papers {place}.",
            f"What is going on in project {code}?",
            (f"Tell me the latest about {code}.", f"How far have we got with the {code} project?"),
        )
        for code, (person, deed, place) in zip(codes, deeds, strict=True)
    ]


class Trial:
    """One set of pairs in a namespace of its own."""

    def __init__(self, client: ServiceClient, wire: Wire, texts: list[Made], space: str) -> None:
        self.client, self.wire, self.texts, self.space = client, wire, texts, space
        items = [{"content": one.content, "namespace": space, "extract": "none"} for one in texts]
        stored = client.post("/v1/memories/batch", {"items": items})["results"]
        self.ids = [one["id"] for one in stored]
        self.cues = f"{space}/cues"
        items = [{"content": one.cue, "namespace": self.cues, "extract": "none"} for one in texts]
        self.cue_ids = [one["id"] for one in client.post("/v1/memories/batch", {"items": items})["results"]]

    def teach(self, *, ridge: float) -> tuple[str, float]:
        """Teach a cube all pairs; return its id and the seconds until it was in force."""
        name = f"cube {ridge}"
        cube = self.client.post("/v1/parametric", {"name": name, "namespace": self.space, "ridge": ridge})
        pairs = [{"cue": one.cue, "memory_id": id_} for one, id_ in zip(self.texts, self.ids, strict=True)]
        began = time.perf_counter()
        job = self.client.post("/v1/parametric/train", {"id": cube["id"], "pairs": pairs})
        while True:
            state = self.client.get(f"/v1/jobs/{job['job_id']}")
            if state["status"] == "succeeded":
                return cube["id"], time.perf_counter() - began
            if state["status"] not in {"queued", "running"} or time.perf_counter() - began > PATIENCE_S:
                raise CommandFailure(f"the training is {state['status']}: {state['error']}")
            time.sleep(0.1)

    def ask(self, cube_id: str) -> dict[str, Any]:
        """Ask every paraphrase of the cube and of the search."""
        first, abstained, named, searched = 0, 0, list[float](), list[float]()
        found, by_cue, familiar = 0, 0, list[float]()
        ids = zip(self.texts, self.ids, self.cue_ids, strict=True)
        asked = [(query, id_, cue_id) for one, id_, cue_id in ids for query in one.paraphrases]
        for query, id_, cue_id in asked:
            ms, answer = self.wire.post(
                "/v1/parametric/route", {"query": query, "namespaces": [self.space], "limit": 10}
            )
            named.append(ms)
            abstained += answer["abstain"]
            familiar.append(next(one["familiarity"] for one in answer["considered"] if one["id"] == cube_id))
            first += bool(answer["results"]) and answer["results"][0]["memory"]["id"] == id_
            body = {"query": query, "namespace": self.space, "top_k": 10, "channels": {"vector": 1.0}}
            ms, answer = self.wire.post("/v1/search", body)
            searched.append(ms)
            found += bool(answer["results"]) and answer["results"][0]["memory"]["id"] == id_
            _, answer = self.wire.post("/v1/search", {**body, "namespace": self.cues, "top_k": 1})
            by_cue += bool(answer["results"]) and answer["results"][0]["memory"]["id"] == cue_id
        strange, strange_familiar = 0, list[float]()
        for query in STRANGE:
            _, answer = self.wire.post("/v1/parametric/route", {"query": query, "namespaces": [self.space]})
            strange += not answer["abstain"]
            strange_familiar.append(answer["considered"][0]["familiarity"])
        return {
            "asked": len(asked),
            "cube_right_first": first / len(asked),
            "cube_abstained": abstained / len(asked),
            "search_right_first": found / len(asked),
            "search_of_cues_right_first": by_cue / len(asked),
            "strange_asked": len(STRANGE),
            "strange_answered": strange / len(STRANGE),
            "familiarity": {"p05": percentile(familiar, 0.05), "p50": median(familiar)},
            "strange_familiarity": {"p50": median(strange_familiar), "p95": percentile(strange_familiar, 0.95)},
            "route_ms": {"p50": median(named), "p95": percentile(named, 0.95)},
            "search_ms": {"p50": median(searched), "p95": percentile(searched, 0.95)},
        }

    def empty(self) -> None:
        """Erase what the trial has made."""
        for space in (self.space, self.cues):
            self.client.post("/v1/erasures", {"filter": {}, "namespace": space})


def main() -> None:
    """Measure, print and keep the result."""
    options = _options()
    rows = []
    where = connection(options)
    client, wire = ServiceClient(where, timeout_s=PATIENCE_S), Wire(where)
    stamp = f"{time.time():.0f}"
    trials = [(kind, size) for kind in ("plain", "private") for size in options.sizes]
    with progress_bar() as bar:
        task = bar.add_task("asking", total=len(trials))
        for kind, size in trials:
            trial = Trial(client, wire, made(kind, size, seed=options.seed), f"bench/parametric/{stamp}/{kind}/{size}")
            cube_id, seconds = trial.teach(ridge=options.ridge)
            rows.append({"kind": kind, "pairs": size, "train_s": round(seconds, 2), **trial.ask(cube_id)})
            trial.empty()
            bar.advance(task)
    client.close()
    wire.close()
    _publish(rows, options)


def _publish(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    result = {
        "kind": "parametric",
        **provenance(),
        "settings": {"seed": options.seed, "ridge": options.ridge, "gamma": 1.0},
        "measured": rows,
    }
    out: Path = options.out or RESULTS / "parametric.json"
    write_result(out, result)
    console = output()
    for row in rows:
        console.print(
            f"{row['kind']:8} {row['pairs']:4} pairs: cube {100 * row['cube_right_first']:.1f} % "
            f"(abstained {100 * row['cube_abstained']:.1f} %), search {100 * row['search_right_first']:.1f} %, "
            f"search of cues {100 * row['search_of_cues_right_first']:.1f} % · strange answered "
            f"{100 * row['strange_answered']:.0f} % · route p50 {row['route_ms']['p50']:.1f} ms, "
            f"search p50 {row['search_ms']['p50']:.1f} ms · taught in {row['train_s']} s"
        )
    console.print(f"raw results: {out}", style="dim", soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--ridge", type=float, default=0.1, help="λ of the cubes")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="pairs of each trial")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
