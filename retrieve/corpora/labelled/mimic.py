"""MIMIC-III and MIMIC-IV: the discharge summaries of an admission as one document, its ICD codes as labels.

The file of notes has several gigabytes, so it is read twice instead of held: once for which notes belong together,
once for their texts, of which only those wait whose admission has more to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import table_rows
from retrieve.corpora.labelled.fields import PARAGRAPH_BREAK, labelled
from retrieve.corpora.labelled.icd import Kind, with_dot
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.rows import Row
from retrieve.corpora.split_files import LeftOut, Part
from retrieve.corpora.stream import Stream, shown
from retrieve.errors import InputError, UsageError

_NOTES = ("noteevents.csv", "discharge.csv")
_KINDS: tuple[Kind, Kind] = ("diagnosis", "procedure")
_CODES: dict[Kind, str] = {"diagnosis": "diagnoses_icd.csv", "procedure": "procedures_icd.csv"}
_TITLES: dict[Kind, str] = {"diagnosis": "d_icd_diagnoses.csv", "procedure": "d_icd_procedures.csv"}


def recognised(layout: Layout) -> bool:
    """Whether there are notes and diagnoses, anywhere in the folder."""
    return layout.named(*_NOTES) is not None and layout.named(_CODES["diagnosis"]) is not None


def open_mimic(layout: Layout, *, version: int | None = None) -> Reading:
    """A folder with NOTEEVENTS.csv (III) or discharge.csv (IV), DIAGNOSES_ICD, PROCEDURES_ICD and D_ICD_*, also .gz.

    `version` of the codes, 9 or 10; IV has both, of different admissions, and gives 10 without it; III has 9 alone.
    An admission without a code of that version is left out and counted. The id is HADM_ID; `subject_id` is in the
    metadata, because a patient's admissions should not be parted by a split, and the data name none.
    """
    notes = layout.named(*_NOTES)
    paths = {kind: layout.named(name) for kind, name in _CODES.items()}
    if notes is None or paths["diagnosis"] is None:
        raise InputError(
            layout.name, "wanted NOTEEVENTS.csv or discharge.csv, and DIAGNOSES_ICD.csv, plain or .gz"
        )
    third = notes.name.lower().startswith("noteevents")
    version = version or (9 if third else 10)
    if version not in ((9,) if third else (9, 10)):
        raise UsageError(f"version {version} of ICD: these data have {'9' if third else '9 and 10'}")
    codes = _Codes({}, {}, 0)
    for kind in _KINDS:
        path, titles = paths[kind], layout.named(_TITLES[kind])
        if path is not None:
            codes = codes.plus(path, kind, version, layout.options)
        if titles is not None:
            codes.descriptions.update(_descriptions(titles, kind, version, layout.options))
    remarks = [f"codes of ICD-{version}", "the data name no split: part them by subject_id"]
    if paths["procedure"] is None:
        remarks.append("there is no PROCEDURES_ICD.csv: diagnoses alone")
    if codes.empty:
        remarks.append(f"{codes.empty} rows of codes have none and are left out")

    def rows(options: ReadOptions) -> LabelledRows:
        return _admissions(notes, codes.labels, version, options)

    return Reading(
        layout.name,
        [Part(shown(notes), rows)],
        task="multilabel",
        descriptions=codes.descriptions,
        remarks=remarks,
    )


class _Codes(NamedTuple):
    """Labels by admission, what they mean, and rows without a code."""

    labels: dict[str, list[str]]
    descriptions: dict[str, str]
    empty: int

    def plus(self, path: Path, kind: Kind, version: int, options: ReadOptions) -> _Codes:
        empty = self.empty
        for _, row in _records(path, ("hadm_id",), options):
            code = row.get("icd9_code", row.get("icd_code", "")).strip()
            if int(row.get("icd_version") or 9) != version:
                continue
            if not code:
                empty += 1
                continue
            labels = self.labels.setdefault(row["hadm_id"], [])
            label = with_dot(code, kind, version)
            if label not in labels:  # a procedure done twice
                labels.append(label)
        return self._replace(empty=empty)


def _descriptions(path: Path, kind: Kind, version: int, options: ReadOptions) -> dict[str, str]:
    return {
        with_dot(row.get("icd9_code", row.get("icd_code", "")).strip(), kind, version): row["long_title"]
        for _, row in _records(path, ("long_title",), options)
        if int(row.get("icd_version") or 9) == version
    }


def _admissions(path: Path, labels: dict[str, list[str]], version: int, options: ReadOptions) -> LabelledRows:
    """One row for each admission, on the line of the last of its notes; one for each note that belongs to none."""
    order = _order(path, options)
    waiting: dict[str, dict[int, str]] = {}
    for line, outcome in _notes(path, options):
        if isinstance(outcome, InputError | LeftOut):
            yield Row(line, outcome)
            continue
        admission = outcome["hadm_id"]
        waiting.setdefault(admission, {})[line] = outcome["text"].strip()
        if len(waiting[admission]) < len(order[admission]):
            continue
        texts = waiting.pop(admission)
        where = f"{shown(path)}:{line}"
        if admission not in labels:
            yield Row(line, LeftOut(f"an admission without a code of ICD-{version}"))
            continue
        try:
            yield Row(
                line,
                labelled(
                    where,
                    admission,
                    PARAGRAPH_BREAK.join(texts[place] for place in order[admission] if texts[place]),
                    tuple(sorted(labels[admission])),
                    metadata={"subject_id": outcome.get("subject_id", ""), "notes": len(texts)},
                ),
            )
        except InputError as error:
            yield Row(line, error)


def _order(path: Path, options: ReadOptions) -> dict[str, list[int]]:
    """Lines of each admission's notes, by date and time, then as they stand in the file."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    for line, outcome in _notes(path, options):
        if not isinstance(outcome, InputError | LeftOut):
            dated = (outcome.get("chartdate", ""), outcome.get("charttime", ""), line)
            found.setdefault(outcome["hadm_id"], []).append(dated)
    return {admission: [line for _, _, line in sorted(notes)] for admission, notes in found.items()}


def _notes(path: Path, options: ReadOptions) -> Iterator[tuple[int, dict[str, str] | LeftOut | InputError]]:
    """Discharge summaries and their addenda; other notes of MIMIC-III are not of the task."""
    for line, row in _rows(path, ("hadm_id", "text"), options):
        if isinstance(row, InputError):
            yield line, row
        elif row.get("category", "Discharge summary").strip() != "Discharge summary":
            continue
        elif row.get("iserror") == "1":
            yield line, LeftOut("a note that is marked as an error")
        elif not row["hadm_id"]:
            yield line, LeftOut("a discharge summary without an admission")
        else:
            yield line, row


def _records(
    path: Path, wanted: tuple[str, ...], options: ReadOptions
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table of codes. A bad one stops: the labels of an unknown admission would be incomplete."""
    for line, row in _rows(path, wanted, options):
        if isinstance(row, InputError):
            raise row
        yield line, row


def _rows(
    path: Path, wanted: tuple[str, ...], options: ReadOptions
) -> Iterator[tuple[int, dict[str, str] | InputError]]:
    """Rows by column, whose names MIMIC-III writes in capitals and MIMIC-IV does not."""
    with Stream.open(path) as stream:
        rows = table_rows(stream, options, ",")
        _, heading = next(rows, (1, InputError(stream.name, "is empty, wanted a heading and rows")))
        if isinstance(heading, InputError):
            raise heading
        names = [name.strip().lower() for name in heading]
        if lacking := [name for name in wanted if name not in names]:
            raise InputError(stream.name, f"has no column {lacking[0]!r}; the heading has {', '.join(names)}")
        for line, cells in rows:
            if isinstance(cells, InputError):
                yield line, cells
            elif len(cells) != len(names):
                message = f"{len(cells)} columns, and the heading has {len(names)}"
                yield line, InputError(f"{stream.name}:{line}", message)
            else:
                yield line, dict(zip(names, cells, strict=True))
