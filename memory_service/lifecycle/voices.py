"""Who speaks by the name before each of some texts that are stored together."""

from collections.abc import Callable, Collection, Mapping, Sequence

from memory_service.analysis.attribution import Utterance, Voice, attributed, names_somebody, said_from


def voices_of(
    said: Sequence[tuple[str, Utterance]], speakers_at: Callable[[Collection[str]], Mapping[str, Collection[str]]]
) -> list[Voice | None]:
    """Return who speaks by the name before each text; what goes to one namespace tells of each other.

    Args:
        said: The path of its namespace, and the text.
        speakers_at: Who is known to speak in namespaces; asked only where a name may stand before a text that does not show it.
    """
    places: dict[str, list[int]] = {}
    for place, (path, _) in enumerate(said):
        places.setdefault(path, []).append(place)
    found: list[Voice | None] = [None] * len(said)

    def read(path: str, known: Collection[str] = ()) -> bool:
        """Read a namespace's texts; say whether one stays in doubt."""
        ours = [said[place][1] for place in places[path]]
        voices = attributed(ours, known)
        for place, voice in zip(places[path], voices, strict=True):
            found[place] = voice
        return any(
            v is None and not one.speaker and names_somebody(one.text) for v, one in zip(voices, ours, strict=True)
        )

    doubtful = [path for path in places if read(path)]
    if doubtful:
        for path, known in speakers_at(doubtful).items():
            read(path, known)
    return found


def start_of(one: Utterance, voice: Voice | None) -> int:
    """Return from which character a text is encoded: behind the name of who says it, whoever says so."""
    heard = [one.speaker, one.role] if voice is None else [one.speaker, one.role, voice.speaker, voice.role]
    return said_from(one.text, heard)
