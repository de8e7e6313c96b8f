"""What is worked out once for several rules is what each would find by itself."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from consolidation.enrichment import Once, enrich, name_entities
from memory_service.analysis.facts import facts
from memory_service.analysis.names import people_of

PIECES = (
    'I live in Porto. Ich wohne in Wien. J\'habite à Lyon Hey Mel! "I work at Bosch," he said. `code Lisbon` @jo_b '
    "My sister is Ana\n"
)
TEXTS = st.lists(st.lists(st.sampled_from(PIECES.split(" ")), max_size=12).map(" ".join), min_size=1, max_size=4)
PEOPLE = people_of(["Melanie", "Ana"])
NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


@given(TEXTS)
def test_reading_once_finds_the_same(texts):
    once = Once()
    for text in [*texts, *texts]:
        stated = {"stated_language": None, "has_keywords": False, "has_entities": False}
        assert enrich(text, **stated, once=once) == enrich(text, **stated)
        assert facts(text, observed_at=NOON, guess=once.guess, cut=once.cut) == facts(text, observed_at=NOON)
        named = {"speaker": "Ana", "stated": [], "stated_language": None, "people": PEOPLE}
        assert name_entities(text, **named, once=once) == name_entities(text, **named)
