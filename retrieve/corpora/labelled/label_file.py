"""JSON files that stand beside labelled documents: the label set, named label sets, descriptions of labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieve.corpora.stream import shown
from retrieve.errors import InputError, UsageError


def read_label_file(path: Path) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """The label set of a file, with descriptions where it has them; (None, {}) where there is no such file.

    The file is a list of names, or an object of name → description (null where there is none). Raises `InputError`
    for anything else.
    """
    if not path.is_file():
        return None, {}
    content = _json(path)
    if isinstance(content, dict):
        described = {name: text for name, text in content.items() if text is not None}
        _check_strings(described.values(), path)
        return tuple(content), described
    if not isinstance(content, list) or len(set(map(str, content))) != len(content):
        raise InputError(
            shown(path), "wanted a list of label names, each once, or an object of name → description"
        )
    _check_strings(content, path)
    return tuple(content), {}


def read_descriptions(source: Mapping[str, str] | str | Path) -> dict[str, str]:
    """Descriptions by label: a mapping, or a JSON file with one."""
    if isinstance(source, Mapping):
        return dict(source)
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"there is no file of descriptions at {shown(path)}")
    names, described = read_label_file(path)
    if names and not described:
        raise InputError(shown(path), "is a list of labels, wanted an object of name → description")
    return described


def named_label_set(path: Path, name: str) -> tuple[str, ...]:
    """The label set `name` of a file of several. Raises `UsageError` with those that are there."""
    sets = _json(path) if path.is_file() else {}
    if not isinstance(sets, dict) or name not in sets:
        raise UsageError(
            f"there is no label set {name!r} in {shown(path)}; there are: {', '.join(sets) or 'none'}"
        )
    _check_strings(sets[name], path)
    return tuple(sets[name])


def _check_strings(values: Any, path: Path) -> None:
    strange = [value for value in values if not isinstance(value, str)]
    if strange:
        raise InputError(shown(path), f"{strange[0]!r} is not a string")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            shown(path),
            f'cannot be read as JSON: {error}; wanted a list of names, as ["a", "b"], or an object by name',
        ) from error
