"""Columns and fields that are called otherwise: which of ours each one is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from retrieve.errors import UsageError

RENAME = (
    'name those that are called otherwise, as columns={"text": "body"}, '
    """on the command line --reading 'columns={"text": "body"}'"""
)
"""What an error says to do: Python and JSON write it alike."""


def checked_names(columns: Mapping[str, str] | None, ours: Iterable[str]) -> dict[str, str]:
    """`columns` as it was given: ours → the data's names. Raises `UsageError` for anything else."""
    if not isinstance(columns or {}, Mapping):
        raise UsageError(f"columns is {columns!r}: {RENAME}")
    given = dict(columns or {})
    if strange := sorted(set(given) - set(ours)):
        raise UsageError(f"columns {strange} do not exist; wanted names for {', '.join(ours)}")
    if bad := [name for name in given.values() if not isinstance(name, str)]:
        raise UsageError(f"columns has {bad[0]!r}: wanted the name of a column")
    return given
