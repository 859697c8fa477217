"""What a reader makes of one file that a person wrote: its text, its title, and why it has no text if it has none.

A scan, a locked file and an empty page all give a document without text. It is kept, because its id is in the
collection, and it says why under `NO_TEXT` in its metadata, so that a build, `index info` and a filter can name it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from retrieve.types import Document

WhyEmpty = Literal["empty", "markup only", "scanned", "locked"]
"""`empty`: nothing is in it. `markup only`: elements, and no text in them. `scanned`: pictures of text. `locked`: its
text is encrypted, or its author allows nobody to take it out."""

NO_TEXT = "no_text"
"""The metadata key of a document without text that says why."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Title and text of one file. `why_empty` counts only where the text is blank."""

    text: str
    title: str = ""
    why_empty: WhyEmpty = "empty"

    def document(self, doc_id: str) -> Document:
        """The document of that id; one without text has the reason in its metadata."""
        metadata = {} if self.text.strip() else {NO_TEXT: self.why_empty}
        return Document(id=doc_id, text=self.text, title=self.title, metadata=metadata)


def tidied(pieces: Iterable[str]) -> str:
    """The pieces one after the other, with one space between words and no empty lines."""
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)
