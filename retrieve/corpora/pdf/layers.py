"""Layers (optional content) of a PDF file that are switched off: a viewer does not show what is on them.

The engine leaves out marked content by the name of its layer, and reads forms (XObjects) whatever layer they are on:
these are emptied in a copy of the file. ISO 32000-1, 8.11; visibility expressions (`/VE`) are not evaluated.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pypdf import PdfReader, PdfWriter


class Hidden(NamedTuple):
    """What a file is to be read without: names of layers, and a copy of it where that takes one."""

    names: list[str]
    copy: bytes | None = None


def hidden_layers(reader: PdfReader) -> Hidden:
    """What viewers do not show of a file. Of layers of one name, some of them on, none is left out."""
    from pypdf import PdfWriter

    if not _off(reader):
        return Hidden([])
    writer = PdfWriter(clone_from=reader)
    off = _off(writer)
    groups = _items(_at(writer.root_object, "/OCProperties", "/OCGs"))
    shown = {_name(group) for group in groups if _number(group) not in off}
    names = sorted({_name(group) for group in groups if _number(group) in off} - shown)
    found = [form for form in _forms(writer) if "/OC" in form and _is_hidden(form.raw_get("/OC"), off)]
    if not found:
        return Hidden(names)
    for form in found:
        form.set_data(b"")
    copy = io.BytesIO()
    writer.write(copy)
    return Hidden(names, copy.getvalue())


def _off(file: PdfReader | PdfWriter) -> set[int]:
    """Object numbers of the layers that are off, by the default configuration and what it says of viewing."""
    properties = _at(file.root_object, "/OCProperties")
    default = _at(properties, "/D")
    off = _numbers(_at(default, "/OFF"))
    if _at(default, "/BaseState") == "/OFF":
        off |= _numbers(_at(properties, "/OCGs")) - _numbers(_at(default, "/ON"))
    for automatic in _items(_at(default, "/AS")):
        if _at(automatic, "/Event") == "/View":
            for group in _items(_at(automatic, "/OCGs")):
                state = _at(group, "/Usage", "/View", "/ViewState")
                if state == "/OFF":
                    off.add(_number(group))
                elif state == "/ON":
                    off.discard(_number(group))
    return off


def _is_hidden(layer: Any, off: set[int]) -> bool:
    """Whether a layer is off, or a membership dictionary hides what belongs to the layers that it names."""
    if _at(layer, "/Type") != "/OCMD":
        return _number(layer) in off
    named = layer.get_object().get("/OCGs")
    members = _items(_at(named)) or [named]
    are_off = [_number(member) in off for member in members if member is not None]
    if not are_off:
        return False
    shown = {"/AllOn": not any(are_off), "/AnyOff": any(are_off), "/AllOff": all(are_off)}
    return not shown.get(_at(layer, "/P"), not all(are_off))


def _forms(file: PdfWriter) -> Iterator[Any]:
    """Every form that pages draw, and those drawn by forms, once."""
    resources: list[Any] = [page.get_inherited("/Resources", None) for page in file.pages]
    seen: set[int] = set()
    while resources:
        drawn = _at(resources.pop(), "/XObject")
        for form in drawn.values() if isinstance(drawn, dict) else ():
            if _number(form) not in seen and _at(form, "/Subtype") == "/Form":
                seen.add(_number(form))
                yield form.get_object()
                resources.append(_at(form, "/Resources"))


def _at(value: Any, *keys: str) -> Any:
    """The object under the keys, one in the other, references followed; None where there is no such thing."""
    value = _followed(value)
    for key in keys:
        value = _followed(value.get(key)) if isinstance(value, dict) else None
    return value


def _followed(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _numbers(groups: Any) -> set[int]:
    return {_number(group) for group in _items(groups)}


def _number(value: Any) -> int:
    """The object number of a reference; 0, which no object has, of anything else."""
    return getattr(value, "idnum", 0)


def _name(group: Any) -> str:
    return str(_at(group, "/Name"))
