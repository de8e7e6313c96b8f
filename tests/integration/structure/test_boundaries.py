"""Boundaries of episodes in conversations whose subjects are known, under the packaged encoder."""

import random
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from consolidation.structure.episodes import boundaries

from .conftest import FLIGHT, GARDEN

SUBJECTS = (
    GARDEN,
    FLIGHT,
    (
        "My daughter started to learn the violin this autumn.", "Her violin teacher is strict but kind.",
        "She practises scales on the violin before school.", "The neighbours complained about the violin at seven.",
        "Her first concert with the violin is in December.",
    ),
    (
        "The heating in our flat broke down last night.", "The plumber says the boiler needs a new pump.",
        "A new pump for the boiler costs four hundred euros.", "Until the boiler is repaired we sleep in sweaters.",
        "The landlord pays for the repair of the heating.",
    ),
    (
        "I train for a marathon in the spring.", "On Sunday I ran twenty kilometres along the river.",
        "My running shoes are worn out after six hundred kilometres.", "My knee hurts when I run downhill.",
        "The marathon plan says to rest two days before a long run.",
    ),
    (
        "Our team moves the database to a new server.", "The migration of the tables took three hours.",
        "After the migration one index of the database was missing.", "We rolled the database back and tried again.",
        "The second migration to the new server went well.",
    ),
    (
        "Grandmother's recipe for plum cake has no butter.", "I baked the plum cake twice and burnt it once.",
        "The dough for the cake must rest overnight.", "With cinnamon the plum cake tastes like Christmas.",
        "I brought the cake to the office and it was gone in minutes.",
    ),
    (
        "We adopted a kitten from the shelter.", "The kitten hides under the sofa all day.",
        "The vet says the kitten needs two vaccinations.", "At night the kitten runs over our faces.",
        "We bought the kitten a scratching post and she ignores it.",
    ),
)  # fmt: skip


def f1(true: set[int], found: set[int]) -> float:
    return 2 * len(true & found) / max(1, len(true) + len(found))


def test_boundaries_are_found_where_fixed_windows_miss_them(client: TestClient) -> None:
    app: Any = client.app
    vector = {text: app.state.services.batching.encode_queries([text])[0] for subject in SUBJECTS for text in subject}
    rng = random.Random(7)
    ours, windows = [], []
    for _ in range(30):
        # Four or five of each subject's turns, so that no window of one size fits.
        parts = [subject[: rng.choice((3, 4, 5))] for subject in rng.sample(SUBJECTS, 6)]
        turns = np.array([vector[text] for part in parts for text in part], np.float32)
        starts = set(np.cumsum([len(part) for part in parts])[:-1].tolist())
        ours.append(f1(starts, set(boundaries(turns, np.zeros(len(turns)))[1:])))
        best = max(range(3, 6), key=lambda size: f1(starts, set(range(size, len(turns), size))))
        windows.append(f1(starts, set(range(best, len(turns), best))))
    print(f"F1 of boundaries {np.mean(ours):.2f}, of the best window for each stream {np.mean(windows):.2f}")
    assert np.mean(ours) > 0.75
    assert np.mean(ours) > np.mean(windows) + 0.2
