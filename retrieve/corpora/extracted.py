"""What a reader makes of one file that a person wrote: its text, its title, and why it has no text if it has none.

A scan, a locked file and an empty page all give a document without text. It is kept, because its id is in the
collection, and it says why under `NO_TEXT` in its metadata, so that a build, `index info` and a filter can name it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from retrieve.types import Document

WhyEmpty = Literal["empty", "markup only", "scanned", "locked"]
"""`empty`: nothing is in it. `markup only`: elements, and no text in them. `scanned`: pictures of text. `locked`: its
text is encrypted, or its author allows nobody to take it out."""

NO_TEXT = "no_text"
"""The metadata key of a document without text that says why."""


SHOWN = 5
"""Documents without text that are named; of more, only the count is said."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Title, text and metadata of one file. `why_empty` counts only where the text is blank."""

    text: str
    title: str = ""
    why_empty: WhyEmpty = "empty"
    metadata: dict[str, Any] = field(default_factory=dict)

    def document(self, doc_id: str) -> Document:
        """The document of that id; one without text has the reason in its metadata."""
        why = {} if self.text.strip() else {NO_TEXT: self.why_empty}
        return Document(id=doc_id, text=self.text, title=self.title, metadata=self.metadata | why)


def has_text(document: Document) -> bool:
    """Whether there is anything to read, be it a title alone."""
    return bool(document.text.strip() or document.title.strip())


def why_no_text(document: Document) -> str:
    """Why a document has no text, as its reader says; "empty" where nobody does."""
    told = document.metadata.get(NO_TEXT)
    return told if isinstance(told, str) else "empty"


class WithoutText:
    """Documents that have no text: how many, by reason, and which are the first of them."""

    def __init__(self) -> None:
        self.why: Counter[str] = Counter()
        self.first: list[tuple[str, str]] = []

    @property
    def count(self) -> int:
        """Of all documents without text."""
        return self.why.total()

    def add(self, document: Document) -> None:
        """Take a document in, if it has no text."""
        if not document.text.strip():
            why = why_no_text(document)
            self.why[why] += 1
            if len(self.first) < SHOWN:
                self.first.append((document.id, why))

    def merge(self, other: WithoutText) -> None:
        """Take in what another collection has."""
        self.why += other.why
        self.first = [*self.first, *other.first][:SHOWN]

    def described(self) -> dict[str, Any]:
        """A JSON object: count, counts by reason, and ids and reasons of the first documents."""
        first = [{"id": doc_id, "why": why} for doc_id, why in self.first]
        return {"count": self.count, "why": dict(sorted(self.why.items())), "first": first}

    def __str__(self) -> str:
        named = ", ".join(f"{doc_id} ({why})" for doc_id, why in self.first)
        counted = f"{self.count:,} document{'' if self.count == 1 else 's'}"
        return f"{counted} without text: {named}" + (", …" if self.count > len(self.first) else "")


def tidied(pieces: Iterable[str]) -> str:
    """The pieces one after the other, with one space between words and no empty lines."""
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)
