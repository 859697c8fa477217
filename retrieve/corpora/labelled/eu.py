"""EURLEX57K (Chalkidis et al. 2019) and MultiEURLEX (Chalkidis et al. 2021) in the schemas of their releases."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.fields import id_of, joined, labelled, labels_of, strings_of, text_of
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.split_files import LeftOut, file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument

LEVELS = ("level_1", "level_2", "level_3", "all_levels")

_ZONES = ("header", "recitals", "main_body", "attachments")


def read_eurlex57k(stream: Stream, options: ReadOptions) -> LabelledRows:
    """Acts: the four zones joined by line breaks, each with its characters, and `main_body`'s articles as paragraphs.

    The other zones are one paragraph each. The title, which the header repeats in most acts, goes into the metadata.
    """
    return json_rows(stream, options, _act)


def open_eurlex57k(layout: Layout) -> Reading:
    """A file or a folder of `train.jsonl`, `dev.jsonl`, `test.jsonl`."""
    parts = [file_part(path, read_eurlex57k, split) for path, split in layout.json_files()]
    return Reading(layout.name, parts, task="multilabel", remarks=layout.remarks())


def read_multi_eurlex(stream: Stream, options: ReadOptions, *, language: str, level: str) -> LabelledRows:
    """Laws in one language with the concepts of one level; a law whose text there is null is left out and counted."""
    return json_rows(stream, options, partial(_law, language=language, level=level))


def open_multi_eurlex(layout: Layout, *, language: str = "en", level: str = "level_1") -> Reading:
    """A file or a folder likewise. `language`: a code as en, de, fr; `level`: one of `LEVELS`."""
    if level not in LEVELS:
        raise UsageError(f"level {level!r} does not exist; wanted one of {', '.join(LEVELS)}")
    read = partial(read_multi_eurlex, language=language, level=level)
    parts = [file_part(path, read, split) for path, split in layout.json_files()]
    remarks = [f"texts in {language!r}, concepts of {level}", *layout.remarks()]
    return Reading(layout.name, parts, task="multilabel", remarks=remarks)


def _act(fields: dict[str, Any], where: str) -> LabelledDocument:
    articles = strings_of(fields, "main_body", where)
    pieces: list[str] = []
    bounds: dict[str, tuple[int, int]] = {}
    for zone in _ZONES:
        inside = articles if zone == "main_body" else [text_of(fields, zone, where)]
        first = len(pieces)
        pieces.extend(piece for piece in inside if piece)
        bounds[zone] = first, len(pieces)
    text, spans = joined(pieces, "\n")
    zones = {zone: (spans[a][0], spans[b - 1][1]) for zone, (a, b) in bounds.items() if b > a}
    return labelled(
        where,
        id_of(fields, "celex_id", where),
        text,
        labels_of(fields, "eurovoc_concepts", where),
        metadata={
            name: text_of(fields, name, where) for name in ("title", "document_type", "uri") if name in fields
        },
        paragraphs=spans,
        zones=zones,
    )


def _law(fields: dict[str, Any], where: str, *, language: str, level: str) -> LabelledDocument | LeftOut:
    texts, concepts = _object(fields, "text", where), _object(fields, "eurovoc_concepts", where)
    if language not in texts:
        raise InputError(where, f"there is no language {language!r}; there are {', '.join(texts)}")
    if texts[language] is None:
        return LeftOut(f"no text in {language!r}")
    return labelled(
        where,
        id_of(fields, "celex_id", where),
        text_of(texts, language, where),
        labels_of(concepts, level, where),
        metadata={"language": language, "publication_date": fields.get("publication_date")},
    )


def _object(fields: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if not isinstance(value, Mapping):
        raise InputError(where, f'"{name}" is no object; wanted one as MultiEURLEX has it')
    return value
