"""What TREC's topics have in common, in SGML and in XML: labels inside of fields, and which field is the query."""

from __future__ import annotations

import re

DEFAULT_FIELDS = ("title", "query")
"""The field that is the query where none is asked for: the first of these that is there."""

_NUMBER = re.compile(r"\A\s*(?:Number|Topic)\s*:", re.IGNORECASE)
_LABELS = {
    name: re.compile(rf"\A\s*{label}\s*:", re.IGNORECASE)
    for name, label in {
        "title": "Topic",
        "desc": "Description",
        "description": "Description",
        "narr": "Narrative",
        "narrative": "Narrative",
        "summ": "Summary",
        "con": r"Concept\(s\)",
    }.items()
}


def number_of(text: str) -> str:
    """A topic's id without the label `Number:`."""
    return _NUMBER.sub("", text).strip()


def text_of(field: str, text: str) -> str:
    """A field's text without the label that repeats its name."""
    label = _LABELS.get(field)
    return label.sub("", text) if label else text
