"""From rows to a `LabelledData`: what a bad row does, ids, splits, label set, task and duplicates.

Documents are results' keys by their id, so an id may occur once in all files together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.extracted import has_text
from retrieve.corpora.labelled.records import LabelledData, Reading
from retrieve.corpora.labelled.renamed import RENAME
from retrieve.corpora.rows import some
from retrieve.corpora.split_files import Gathered
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument, LabelSet, Task

Unknown = Literal["error", "drop"]


def assemble(
    reading: Reading, *, task: Task | None, options: ReadOptions, unknown_labels: Unknown
) -> LabelledData:
    """Everything in the parts of `reading`, read once.

    Raises `InputError` for the first bad row (file and line) unless `options.skip_bad`, for a label outside the label
    set unless `unknown_labels` is "drop", and for documents that do not fit the task; `UsageError` if all that is
    there is unlabelled.
    """
    gathered = Gathered(options)
    documents = _documents(reading, gathered)
    remarks = [*reading.remarks, *gathered.remarks()]
    if reading.group is not None:
        documents = _grouped(documents, reading.group, reading.name, remarks)
    labelled = [document for document in documents if _is_labelled(document, task or reading.task)]
    unlabelled = [document for document in documents if not _is_labelled(document, task or reading.task)]
    if not labelled:
        told = f"a value: {RENAME}" if task == "ordinal" else "a label: nothing to learn from"
        raise InputError(reading.name, f"{len(unlabelled)} documents and none of them has {told}")
    if unlabelled:
        remarks.append(
            f"{len(unlabelled)} documents are not labelled: {some([d.document.id for d in unlabelled])}"
        )
    if blank := [each.document.id for each in labelled if not has_text(each.document)]:
        remarks.append(f"{len(blank)} labelled documents have no text: {some(blank)}")
    names = _label_names(reading, labelled)
    remarks += _alike(names)
    drop = unknown_labels == "drop" or reading.restrict
    labelled = _known(labelled, names, reading.name, remarks, drop=drop)
    chosen = task or reading.task or _task_of(labelled, names, remarks, several=reading.several())
    _check_task(chosen, labelled, names, reading.name)
    splits = {name: [d for d in labelled if (d.split or "train") == name] for name in _SPLIT_NAMES}
    duplicates = _duplicates(splits["train"], [*splits["validation"], *splits["test"]])
    if duplicates:
        remarks.append(f"{len(duplicates)} texts of validation or test occur word for word in train")
    if chosen == "ordinal":
        names = (reading.value,)
    described = {name: reading.descriptions[name] for name in names if name in reading.descriptions}
    return LabelledData(
        reading.name,
        chosen,
        LabelSet(names, described),
        splits["train"],
        splits["validation"],
        splits["test"],
        unlabelled,
        gathered.refused.count,
        duplicates,
        remarks,
    )


_SPLIT_NAMES = ("train", "validation", "test")


def _documents(reading: Reading, gathered: Gathered) -> list[LabelledDocument]:
    """The documents of all parts, each with the split of its file where it says none."""
    documents = []
    for part in reading.parts:
        for document, where in gathered.records(part):
            if gathered.admits(document.document.id, document.split, part, where):
                documents.append(document if document.split else replace(document, split=part.split))
    gathered.refused.finish(reading.name)
    return documents


def _grouped(
    documents: list[LabelledDocument], field: str, where: str, remarks: list[str]
) -> list[LabelledDocument]:
    """The documents with the group that a field of their metadata names, a string or a number."""
    found = [document.document.metadata.get(field) for document in documents]
    named = [str(group) if isinstance(group, str | int | float) and group != "" else None for group in found]
    groups = {group for group in named if group is not None}
    if documents and not groups:
        raise UsageError(
            f"{where}: no document has {field!r} in its metadata, wanted a string or a number there"
        )
    if alone := named.count(None):
        remarks.append(f"{alone} documents have no {field}: each is a group by itself")
    parts: dict[str, set[str]] = {}
    for document, group in zip(documents, named, strict=True):
        if group is not None:
            parts.setdefault(group, set()).add(document.split or "train")
    if parted := sum(len(each) > 1 for each in parts.values()):
        remarks.append(f"{parted} of {len(groups)} groups by {field} are in several of the data's own splits")
    return [replace(document, group=group) for document, group in zip(documents, named, strict=True)]


def _is_labelled(document: LabelledDocument, task: Task | None) -> bool:
    if task == "ordinal":
        return document.value is not None
    if task is None:
        return document.labels is not None or document.value is not None
    return document.labels is not None


def _label_names(reading: Reading, documents: Sequence[LabelledDocument]) -> tuple[str, ...]:
    if reading.labels is not None:
        return tuple(sorted(reading.labels))
    return tuple(sorted({label for document in documents for label in document.labels or ()}))


def _alike(names: Sequence[str]) -> list[str]:
    """A remark on labels that differ by case or white space alone, as those that several people typed."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(" ".join(name.casefold().split()), []).append(name)
    several = [" and ".join(map(repr, each)) for each in spellings.values() if len(each) > 1]
    return [f"labels that differ by case or spaces alone: {some(several)}"] if several else []


def _known(
    documents: list[LabelledDocument], names: tuple[str, ...], where: str, remarks: list[str], *, drop: bool
) -> list[LabelledDocument]:
    """The documents with labels of the set alone."""
    known = frozenset(names)
    kept, dropped, emptied = [], Counter[str](), 0
    for document in documents:
        strange = [label for label in document.labels or () if label not in known]
        if strange and not drop:
            raise InputError(
                where,
                f"document {document.document.id!r} has label {strange[0]!r}, which is not one of the {len(names)} "
                'of the label set: add it there, or give unknown_labels="drop"',
            )
        dropped.update(strange)
        labels = tuple(label for label in document.labels or () if label in known)
        emptied += bool(strange and not labels)
        kept.append(replace(document, labels=labels) if strange else document)
    if dropped:
        remarks.append(
            f"{dropped.total()} labels outside the set of {len(names)} are left out ({len(dropped)} different ones); "
            f"{emptied} documents are left with none and stay"
        )
    return kept


def _task_of(
    documents: Sequence[LabelledDocument], names: tuple[str, ...], remarks: list[str], *, several: bool
) -> Task:
    """Lists of labels are multilabel, whatever their length; single labels by how many there are."""
    if all(document.labels is None for document in documents):
        return "ordinal"
    if several or any(document.labels is not None and len(document.labels) != 1 for document in documents):
        return "multilabel"
    task: Task = "binary" if len(names) == 2 else "multiclass"
    remarks.append(
        f'every document has one label: read as {task}; give task="multilabel" if it may have more'
    )
    return task


def _check_task(
    task: Task, documents: Sequence[LabelledDocument], names: tuple[str, ...], where: str
) -> None:
    if task == "binary" and len(names) != 2:
        raise UsageError(
            f"{where} has {len(names)} labels ({', '.join(names[:5])}…): a binary task has two; give another task"
        )
    for document in documents:
        doc_id = document.document.id
        if task == "ordinal":
            continue  # those without a value are among the unlabelled
        if document.labels is None:
            raise InputError(where, f"document {doc_id!r} has a value and no labels: give one or the other")
        if task in ("binary", "multiclass") and len(document.labels) != 1:
            raise InputError(
                where,
                f"document {doc_id!r} has {len(document.labels)} labels: a {task} document has one; "
                'give task="multilabel"',
            )


def _duplicates(train: Sequence[LabelledDocument], others: Sequence[LabelledDocument]) -> dict[str, str]:
    first: dict[str, str] = {}
    for labelled in train:
        first.setdefault(labelled.document.text, labelled.document.id)
    return {
        labelled.document.id: first[labelled.document.text]
        for labelled in others
        if labelled.document.text.strip() and labelled.document.text in first
    }
