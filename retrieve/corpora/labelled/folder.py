"""A folder of text, HTML and PDF files: each sub-folder is a label, or `labels.csv` beside them says the labels.

The files are found and read as those of any other folder (`retrieve.corpora.folder`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.folder import SUFFIXES, FolderPart, list_files, log_left_out
from retrieve.corpora.labelled.fields import SPLITS, checked_labels
from retrieve.corpora.labelled.headed import LABEL_NAMES, Columns, cut_labels, separation
from retrieve.corpora.labelled.label_file import read_label_file
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.rows import Row
from retrieve.corpora.split_files import Part
from retrieve.corpora.stream import Stream, shown
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument

LABEL_FILE = "labels.csv"

_COLUMNS = Columns(
    {"file": ("file",), "labels": LABEL_NAMES},
    ("file", "labels"),
    f"begin {LABEL_FILE} with the line file,labels",
)

LabelsAndSplit = tuple[tuple[str, ...] | None, str | None]
"""What is known of a file by its path: labels (None: unlabelled) and split."""


def recognised(layout: Layout) -> bool:
    """Whether there are text files beside a `labels.csv`, or any of them in a sub-folder."""
    ids = [_id(path, layout) for path in _texts(layout)]
    return bool(ids) and (_label_file(layout) is not None or any("/" in doc_id for doc_id in ids))


def open_folder(layout: Layout, *, separator: str | None = None) -> Reading:
    """The text files of a folder. A file's id is its path from the folder, with forward slashes.

    With `labels.csv` (heading file,labels; `separator` as for tables), a file without a row is unlabelled and a row
    without a file is an error. Without it the first sub-folder is the label, below train, validation and test where the
    first folders are called so; files that are in no sub-folder are unlabelled. READMEs and licences are left out.
    """
    if not layout.source.is_dir():
        raise UsageError(f"{layout.name} is not a folder")
    texts = _texts(layout)
    ids = [_id(path, layout) for path in texts]
    names, descriptions = read_label_file(layout.folder / "labels.json")
    remarks = _left_out(layout, texts)
    path = _label_file(layout)
    lists = False
    if path is None:
        labels_of = _by_folder(ids)
    else:
        parted = separation([path], _COLUMNS, separator)
        lists = parted.lists
        labels = _labels(path, parted.separator, frozenset(ids), layout.options)
        remarks += parted.remarks()

        def labels_of(doc_id: str) -> LabelsAndSplit:
            return labels.get(doc_id), None

    parts = [_part(layout.source, path, labels_of) for path in texts]
    return Reading(
        layout.name,
        parts,
        labels=names,
        descriptions=descriptions,
        several=lambda: lists,
        remarks=remarks,
    )


def _part(folder: Path, path: Path, labels_of: Callable[[str], LabelsAndSplit]) -> Part[LabelledDocument]:
    """One file: errors and repeated ids then name it."""

    def rows(options: ReadOptions) -> LabelledRows:
        for line, outcome in FolderPart.of(folder, [path]).records(options):
            if isinstance(outcome, InputError):
                yield Row(line, outcome)
            else:
                labels, split = labels_of(outcome.id)
                yield Row(line, LabelledDocument(outcome, labels, split=split))

    return Part(shown(path), rows)


def _by_folder(ids: Collection[str]) -> Callable[[str], LabelsAndSplit]:
    split_first = all(doc_id.split("/")[0].lower() in SPLITS for doc_id in ids)

    def labels_of(doc_id: str) -> LabelsAndSplit:
        *folders, _ = doc_id.split("/")
        split = SPLITS[folders.pop(0).lower()] if split_first else None
        return (folders[0],) if folders else None, split

    return labels_of


def _labels(
    path: Path, separator: str, ids: Collection[str], options: ReadOptions
) -> dict[str, tuple[str, ...]]:
    """Labels by file. An empty cell says that the file has none of them. A bad row stops: it stands for a file."""
    found: dict[str, tuple[str, ...]] = {}
    with Stream.open(path) as stream:
        rows, places, names = _COLUMNS.read(stream, options)
        for line, cells in rows:
            where = f"{stream.name}:{line}"
            if isinstance(cells, InputError):
                raise cells
            if len(cells) != len(places):
                raise InputError(where, f"{len(cells)} columns, and the heading has {len(places)}")
            name = cells[places[names["file"]]]
            if name not in ids:
                raise InputError(where, f"there is no readable file {name!r} in the folder: correct its path")
            if name in found:
                raise InputError(where, f"file {name!r} has a row above already: keep one of them")
            found[name] = checked_labels(cut_labels(cells[places[names["labels"]]], separator), where)
    return found


def _left_out(layout: Layout, texts: Collection[Path]) -> list[str]:
    """Logs what is not read as any folder's reader does, and says how many in a remark."""
    left_out: Counter[str] = list_files(layout.source).left_out
    taken = {*texts, layout.source / "labels.json", layout.source / LABEL_FILE}
    unread = [path for path in layout.files if path not in taken]
    log_left_out(layout.source, left_out, unread)
    count = left_out.total() + len(unread)
    return [f"{count} entries of the folder are not read"] if count else []


def _texts(layout: Layout) -> list[Path]:
    if not layout.source.is_dir():
        return []
    readable = [path for path in layout.files if path.suffix.lower() in SUFFIXES]
    return [path for path in readable if path.stem.upper() not in ("README", "LICENSE", "LICENCE")]


def _label_file(layout: Layout) -> Path | None:
    path = layout.source / LABEL_FILE
    return path if path.is_file() else None


def _id(path: Path, layout: Layout) -> str:
    return path.relative_to(layout.source).as_posix()
