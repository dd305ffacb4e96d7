"""What readers note of what they read, for whoever looks at a cohort or a run."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Self


class About(StrEnum):
    """What a note is about."""

    CONTENT = "content"
    LEFT_OUT = "left out"
    CONTRADICTION = "contradiction"


class Note(str):
    """A note, `part: text`, that still knows what it is about.

    Attributes:
        part: Of what: a modality, an endpoint, a label, `clinical`.
        text: What is noted.
        about: What kind of thing that is.
    """

    __slots__ = ("about", "part", "text")

    part: str
    text: str
    about: About

    def __new__(cls, part: str, text: str, about: About = About.CONTENT) -> Self:
        """The note of a part."""
        note = super().__new__(cls, f"{part}: {text}")
        note.part, note.text, note.about = part, text, about
        return note

    def __getnewargs__(self) -> tuple[str, str, About]:  # type: ignore[override]
        return self.part, self.text, self.about


def left_out_notes(part: str, unit: str, reasons: Mapping[str, int]) -> Iterator[Note]:
    """A note of each reason why any were left out: reason -> how many `unit`."""
    for why, n in reasons.items():
        if n:
            yield Note(part, f"{n} {unit} left out: {why}", About.LEFT_OUT)
