"""MS MARCO as it is given out: one file of passages or documents, and for every split its queries and judgments.

Splits of the collection's own (`dev.small`, `dev`, `train`) and TREC's Deep Learning tracks (`dl19`, `dl20`), under the
names of Microsoft and NIST, or under those of Anserini's topics and qrels; each plain or gzip.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.stream import shown
from retrieve.errors import InputError

_PASSAGES, _DOCUMENTS = "collection.tsv", ("msmarco-docs.tsv", "fulldocs.tsv")
_SPLITS: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {
    "passages": {
        "dev.small": (
            ("queries.dev.small.tsv", "qrels.dev.small.tsv"),
            ("topics.msmarco-passage.dev-subset.txt", "qrels.msmarco-passage.dev-subset.txt"),
        ),
        "dl19": (
            ("msmarco-test2019-queries.tsv", "2019qrels-pass.txt"),
            ("topics.dl19-passage.txt", "qrels.dl19-passage.txt"),
        ),
        "dl20": (
            ("msmarco-test2020-queries.tsv", "2020qrels-pass.txt"),
            ("topics.dl20.txt", "qrels.dl20-passage.txt"),
        ),
    },
    "documents": {
        "dev": (
            ("msmarco-docdev-queries.tsv", "msmarco-docdev-qrels.tsv"),
            ("topics.msmarco-doc.dev.txt", "qrels.msmarco-doc.dev.txt"),
        ),
        "train": (("msmarco-doctrain-queries.tsv", "msmarco-doctrain-qrels.tsv"),),
        "dl19": (
            ("msmarco-test2019-queries.tsv", "2019qrels-docs.txt"),
            ("topics.dl19-doc.txt", "qrels.dl19-doc.txt"),
        ),
        "dl20": (
            ("msmarco-test2020-queries.tsv", "2020qrels-docs.txt"),
            ("topics.dl20.txt", "qrels.dl20-doc.txt"),
        ),
    },
}


class Judged(NamedTuple):
    """The files of one split."""

    queries: Path
    qrels: Path


def collection_file(folder: Path) -> Path | None:
    """The file of passages or documents, by its name; None where the folder is none of MS MARCO's.

    Raises `InputError` for several of them.
    """
    names = [name for stem in (_PASSAGES, *_DOCUMENTS) for name in (stem, f"{stem}.gz")]
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        raise InputError(shown(folder), f"holds {', '.join(path.name for path in found)}: keep one of them")
    return found[0] if found else None


def judged_split(folder: Path, split: str) -> Judged:
    """The files of a split. Raises `InputError` naming the splits that are there."""
    splits = _splits(folder)
    if split not in splits:
        there = ", ".join(sorted(splits)) or "none"
        raise InputError(
            shown(folder),
            f"there is no split {split!r} (queries and qrels under MS MARCO's names); splits in the folder: {there}",
        )
    return splits[split]


def _splits(folder: Path) -> dict[str, Judged]:
    found: dict[str, Judged] = {}
    for path in sorted([*folder.glob("queries.*.tsv"), *folder.glob("queries.*.tsv.gz")]):
        name = path.name.removesuffix(".gz").removeprefix("queries.").removesuffix(".tsv")
        qrels = _plain_or_packed(folder / f"qrels.{name}.tsv")
        if name and qrels is not None:
            found[name] = Judged(path, qrels)
    collection = collection_file(folder)
    kind = "passages" if collection is None or collection.name.startswith(_PASSAGES) else "documents"
    for name, pairs in _SPLITS[kind].items():
        for pair in pairs:
            files = [file for part in pair if (file := _plain_or_packed(folder / part)) is not None]
            if len(files) == len(pair):
                found.setdefault(name, Judged(*files))
    return found


def _plain_or_packed(path: Path) -> Path | None:
    packed = path.with_name(f"{path.name}.gz")
    return next((each for each in (path, packed) if each.is_file()), None)
