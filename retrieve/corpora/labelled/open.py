"""From what a user names (a file or a folder) to labelled data: the format is told by names and fields, or given.

Where two formats would do, the one with the more particular mark is taken; where none does, the error lists what is
readable.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from retrieve.corpora.corpus import DEFAULT_OPTIONS, ReadOptions
from retrieve.corpora.labelled import cohort, folder, lexglue, mimic, pubmedqa, reuters
from retrieve.corpora.labelled.assemble import Unknown, assemble
from retrieve.corpora.labelled.courts import open_ecthr, open_swiss
from retrieve.corpora.labelled.eu import open_eurlex57k, open_multi_eurlex
from retrieve.corpora.labelled.jsonl import open_eurlex_acts, open_json_documents
from retrieve.corpora.labelled.label_file import read_descriptions
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledData, Reading
from retrieve.corpora.labelled.table import open_table
from retrieve.corpora.rows import some
from retrieve.errors import InputError, UsageError
from retrieve.types import Task


class Format(NamedTuple):
    """`open` makes a reading of a layout, its keyword arguments being what a caller may ask for."""

    says: str
    recognises: Callable[[Layout], bool]
    open: Callable[..., Reading]


def _has(*names: str) -> Callable[[Layout], bool]:
    return lambda layout: all(name in layout.first_object for name in names)


FORMATS: dict[str, Format] = {
    "mimic": Format(
        "MIMIC-III or IV (NOTEEVENTS.csv or discharge.csv, DIAGNOSES_ICD.csv)",
        mimic.recognised,
        mimic.open_mimic,
    ),
    "reuters": Format("Reuters-21578 (reut2-….sgm)", reuters.recognised, reuters.open_reuters),
    "pubmedqa": Format(
        "PubMedQA (questions.jsonl, corpus.jsonl)", pubmedqa.recognised, pubmedqa.open_pubmedqa
    ),
    "lexglue": Format(
        "one LexGLUE task (JSON lines with data_type, or casehold.csv)",
        lambda layout: lexglue.recognised(layout) is not None,
        lexglue.open_lexglue,
    ),
    "multi-eurlex": Format(
        "MultiEURLEX (JSON lines with text by language)",
        lambda layout: (
            isinstance(layout.first_object.get("text"), dict) and "eurovoc_concepts" in layout.first_object
        ),
        open_multi_eurlex,
    ),
    "eurlex57k": Format(
        "EURLEX57K (JSON lines with main_body)", _has("main_body", "recitals"), open_eurlex57k
    ),
    "ecthr": Format("ECtHR cases (JSON lines with facts)", _has("facts", "case_id"), open_ecthr),
    "swiss": Format(
        "Swiss judgments (JSON lines with label and legal area)", _has("label", "legal area"), open_swiss
    ),
    "eurlex-acts": Format(
        "EU acts with labels and subjects (label_sets.json)",
        _has("id", "text", "labels", "subjects"),
        open_eurlex_acts,
    ),
    "jsonl": Format(
        "JSON lines of id, text and labels (train, validation, test by file name or a field split)",
        lambda layout: bool(layout.first_object),
        open_json_documents,
    ),
    "cohort": Format("n2c2 cohort selection (XML, <PatientMatching>)", cohort.recognised, cohort.open_cohort),
    "folder": Format(
        "a folder of .txt .md .html .htm .pdf files with one sub-folder a label, or labels.csv (file,labels)",
        folder.recognised,
        folder.open_folder,
    ),
    "table": Format(
        "a .csv or .tsv with a heading (id, text, labels separated by ; or |)",
        lambda layout: bool(layout.with_suffix(".csv", ".tsv")),
        open_table,
    ),
}
"""In the order in which they are tried: a more particular mark first."""


def read_labelled(
    source: str | Path,
    *,
    format: str | None = None,
    task: Task | None = None,
    options: ReadOptions = DEFAULT_OPTIONS,
    labels: Sequence[str] | None = None,
    descriptions: Mapping[str, str] | str | Path | None = None,
    unknown_labels: Unknown = "error",
    group: str | None = None,
    **wants: Any,
) -> LabelledData:
    """The labelled collection at `source`, a file or a folder, read whole.

    `format` is one of `FORMATS`; without it the format is recognised. `task`: without it, what the format or its
    labels say. `labels`: the label set, in place of the data's own; a label outside of it is an error, or with
    `unknown_labels="drop"` left out and counted. `descriptions` of labels: a mapping or a JSON file, beside those of
    the data. `group`: a field of the metadata whose documents stay together when some are held out (those of a patient
    or a case), in place of the format's own. `wants`: what the format's own opener takes (`language`, `field`,
    `columns`, …). Raises `InputError` for what cannot be read, with file and line, and `UsageError` for what cannot be
    asked for.
    """
    layout = Layout.of(Path(source), options)
    chosen = _format(layout, format)
    reading = _open(chosen, layout, wants)
    if labels is not None:
        if len(set(labels)) != len(labels):
            raise UsageError("the label set given has a label twice: keep one of them")
        reading = replace(reading, labels=tuple(labels), restrict=False)
    given = {} if descriptions is None else read_descriptions(descriptions)
    if given:
        reading = replace(reading, descriptions={**reading.descriptions, **given})
    if group is not None:
        reading = replace(reading, group=group)
    data = assemble(reading, task=task, options=options, unknown_labels=unknown_labels)
    if strange := [name for name in given if name not in data.labels.names]:
        data.remarks.append(f"descriptions of no label are not used: {some(strange)}")
    return data


def _format(layout: Layout, format: str | None) -> str:
    if format is not None:
        if format not in FORMATS:
            raise UsageError(f"format {format!r} does not exist; wanted one of {', '.join(FORMATS)}")
        return format
    for name, candidate in FORMATS.items():
        if candidate.recognises(layout):
            return name
    if layout.has_json_lines:
        return "jsonl"  # without one good line, and its reader says what is wrong with the first
    readable = "; ".join(f"{name}: {candidate.says}" for name, candidate in FORMATS.items())
    raise InputError(layout.name, f"is not recognised as labelled data. Readable are {readable}")


def _open(name: str, layout: Layout, wants: Mapping[str, Any]) -> Reading:
    opener = FORMATS[name].open
    takes = [option for option in inspect.signature(opener).parameters if option != "layout"]
    for option in wants:
        if option not in takes:
            offered = f"it takes {', '.join(takes)}" if takes else "it takes no options of its own"
            raise UsageError(f"format {name} does not take {option!r}: {offered}")
    return opener(layout, **wants)
