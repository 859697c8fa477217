"""Settings as a page shows them: under the names by which they are changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retrieve.report.records import Cell


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Cell]]:
    """Sections of settings as dotted names, as `--set` takes them; what is empty is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value not in (None, "", [], ()):
            yield prefix + name, cell_of(value)


def cell_of(value: Any) -> Cell:
    """A setting's value, of a list all values with commas between."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(cell_of(one)) for one in value)
    return value if isinstance(value, bool | int | float | str) else str(value)
