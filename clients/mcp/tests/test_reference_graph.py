"""The pure part: elements of the graph, and the memories that hold them."""

import pytest

from memory_mcp.reference.graph import Element, Entity, Observation, Relation, assemble, first_of_each_name
from memory_mcp.reference.records import element_of, record_of
from memory_mcp.reference.store import batches

ELEMENTS: list[Element] = [
    Entity("Ada", "person"),
    Entity("A" * 1000, "long"),
    Entity("x: y", "odd"),
    Observation("Ada", "likes tea"),
    Observation("x: y", "x: y: z"),
    Observation("Ada", "two\nlines "),
    Relation("Ada", "Bob", "knows"),
    Relation("Ada", "Ada", "knows"),
]


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_what_is_stored_reads_back(element: Element) -> None:
    record = record_of(element, user_id=None)
    assert element_of(external_id=record.external_id, content=record.content, metadata=record.metadata) == element
    assert len(record.external_id) <= 256
    assert all(0 < len(name) <= 256 for name in record.entities)
    assert len(record.title) <= 4096


def test_each_element_of_each_user_has_an_id_of_its_own() -> None:
    ids = [record_of(element, user_id=user).external_id for element in ELEMENTS for user in (None, "ada", "bob")]
    assert len(set(ids)) == len(ids)
    assert record_of(ELEMENTS[0], user_id="ada") == record_of(ELEMENTS[0], user_id="ada")
    # Parts are not run together: a border that moves is another element.
    assert (
        record_of(Relation("a", "b", "c"), user_id=None).external_id
        != record_of(Relation("a", "c", "b"), user_id=None).external_id
    )
    assert (
        record_of(Observation("a", "b: c"), user_id=None).external_id
        != record_of(Observation("a: b", "c"), user_id=None).external_id
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"mcp_graph": 1},
        {"mcp_graph": {}},
        {"mcp_graph": {"kind": "entity"}},
        {"mcp_graph": {"kind": "entity", "entity": 1, "type": "x"}},
    ],
)
def test_other_memories_are_no_elements(metadata: dict[str, object]) -> None:
    assert element_of(external_id="mcp-graph:entity:1", content="x", metadata=metadata) is None


def test_a_memory_that_was_corrected_is_no_element_any_more() -> None:
    record = record_of(Observation("Ada", "likes tea"), user_id=None)
    assert element_of(external_id=None, content=record.content, metadata=record.metadata) is None
    # What took its place has its id and its metadata.
    now = element_of(external_id=record.external_id, content="Ada prefers coffee.", metadata=record.metadata)
    assert now == Observation("Ada", "Ada prefers coffee.")


def test_a_graph_has_everything_once_and_no_loose_observations() -> None:
    graph = assemble([*ELEMENTS, *ELEMENTS, Observation("Nobody", "is lost"), Entity("Ada", "cat")])
    assert [e.name for e in graph.entities] == ["Ada", "A" * 1000, "x: y"]
    assert graph.entities[0] == Entity("Ada", "person", ("likes tea", "two\nlines "))
    assert graph.relations == (Relation("Ada", "Bob", "knows"), Relation("Ada", "Ada", "knows"))


def test_the_first_of_a_name_counts() -> None:
    assert first_of_each_name([Entity("a", "x", ("1", "1")), Entity("b", "x"), Entity("a", "y")]) == [
        Entity("a", "x", ("1",)),
        Entity("b", "x"),
    ]


def test_batches_are_what_the_service_takes() -> None:
    elements = [Observation("Ada", f"{n}" + "ä" * (25_000 if n % 2 else 1)) for n in range(1200)]
    cut = list(batches(elements, user_id=None))
    assert [element for batch in cut for _, element, _ in batch] == elements
    assert [number for batch in cut for number, _, _ in batch] == list(range(1, 1201))
    for batch in cut:
        assert len(batch) <= 1000
        assert sum(len(record.content.encode()) for _, _, record in batch) <= 2 * 1024 * 1024
    assert list(batches([], user_id=None)) == []
