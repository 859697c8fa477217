"""Decisions of courts: ECtHR cases (Chalkidis et al. 2019, 2021) and Swiss judgments (Niklaus et al. 2021)."""

from __future__ import annotations

from functools import partial
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.fields import (
    id_of,
    joined,
    labelled,
    labels_of,
    split_of,
    strings_of,
    text_of,
    value_of,
)
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.split_files import LeftOut, file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument, Task

VIOLATION = ("no violation", "violation")

_TASKS: dict[str, Task] = {
    "violated_articles": "multilabel",
    "allegedly_violated_articles": "multilabel",
    "violation": "binary",
    "importance": "ordinal",
}
_ABOUT = ("title", "case_no", "judgment_date", "defendants", "silver_rationales", "gold_rationales")


def read_ecthr(stream: Stream, options: ReadOptions, *, target: str) -> LabelledRows:
    """Cases: facts joined with a blank line between, each a paragraph; empty lists of articles are ()."""
    return json_rows(stream, options, partial(_case, target=target))


def open_ecthr(layout: Layout, *, target: str = "violated_articles") -> Reading:
    """A file or a folder of `train.jsonl`, `dev.jsonl`, `test.jsonl`, or LexGLUE's one file with `data_type`.

    `target`: violated_articles (LexGLUE's task A), allegedly_violated_articles (task B), violation (any violated
    article, binary) or importance (1 to 4, where the data have it).
    """
    if target not in _TASKS:
        raise UsageError(f"target {target!r} does not exist; wanted one of {', '.join(_TASKS)}")
    parts = [
        file_part(path, partial(read_ecthr, target=target), split) for path, split in layout.json_files()
    ]
    return Reading(
        layout.name,
        parts,
        task=_TASKS[target],
        labels=VIOLATION if target == "violation" else None,
        value="importance",
        remarks=[f"target: {target}", *layout.remarks()],
    )


def read_swiss(
    stream: Stream, options: ReadOptions, *, language: str | None, translated: bool
) -> LabelledRows:
    """Judgments, approval or dismissal, in one language or all. `translated`: the file of machine translations.

    Their ids are numbered by themselves, so they become mt-<source>-<language>-<id>.
    """
    return json_rows(stream, options, partial(_judgment, language=language, translated=translated))


def open_swiss(layout: Layout, *, language: str | None = None, translated: bool = False) -> Reading:
    """A file or a folder of `train`, `val` and `test`; `translated` adds `train_mt.jsonl` to train."""
    files = layout.json_files(also=["train_mt"])
    extra = [path for path, split in files if split is None and path.name.startswith("train_mt")]
    alone = len(files) == len(extra)
    parts = []
    for path, split in files:
        if path not in extra:
            parts.append(file_part(path, partial(read_swiss, language=language, translated=False), split))
        elif translated or alone:
            parts.append(file_part(path, partial(read_swiss, language=language, translated=True), "train"))
    remarks = list(layout.remarks())
    if extra and not (translated or alone):
        remarks.append(f"not read: {extra[0].name}, machine translations; translated=True adds them to train")
    return Reading(layout.name, parts, task="binary", labels=("approval", "dismissal"), remarks=remarks)


def _case(fields: dict[str, Any], where: str, *, target: str) -> LabelledDocument:
    text, paragraphs = joined(strings_of(fields, "facts", where))
    importance = value_of(fields, "importance", where)
    if target == "importance" and "importance" not in fields:
        raise InputError(where, 'there is no "importance": these data have no such target; choose another')
    if target == "violation":
        labels: tuple[str, ...] = (VIOLATION[bool(strings_of(fields, "violated_articles", where))],)
    else:
        name = "violated_articles" if target == "importance" else target
        labels = labels_of(fields, name, where)
    return labelled(
        where,
        id_of(fields, "case_id", where),
        text,
        labels,
        metadata={name: fields[name] for name in _ABOUT if name in fields},
        value=importance,
        paragraphs=paragraphs,
        split=split_of(fields, "data_type", where),
    )


def _judgment(
    fields: dict[str, Any], where: str, *, language: str | None, translated: bool
) -> LabelledDocument | LeftOut:
    spoken = text_of(fields, "language", where)
    if language is not None and spoken != language:
        return LeftOut(f"another language than {language!r}")
    doc_id = id_of(fields, "id", where)
    if translated:
        doc_id = f"mt-{text_of(fields, 'source_language', where)}-{spoken}-{doc_id}"
    about = ("year", "language", "region", "canton", "legal area", "source_language")
    return labelled(
        where,
        doc_id,
        text_of(fields, "text", where),
        labels_of(fields, "label", where),
        metadata={name: fields[name] for name in about if name in fields},
    )
