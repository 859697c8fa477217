"""Small indexes of several recipes, damage done to one of their files, and what must follow from it.

`verify` names the file, whatever was done to it. A question is answered as before the damage, or refused by
`IndexCorrupt` with the file's name: most files have no part in most answers. The suite does a few damages to each
file, `scripts/campaigns/bitrot.py` two thousand.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retrieve import Document, Index
from retrieve.errors import IndexCorrupt, RetrieveError
from retrieve.files import checksum_file
from retrieve.packed import PackedArrays
from retrieve.store.manifest import read_manifest
from retrieve.store.verify import named_folders, verify

DIMENSIONS = 8
WORDS = ["court", "law", "liability", "carrier", "goods", "article", "protein", "gene", "wing", "flow"]
KINDS = ("flip", "zeros", "cut", "missing")
QUERY = "court liability of carrier"

_PASSAGES = {"unit": "words", "size": 8, "boundaries": "none", "title": "none"}
_DENSE = {"model": "none", "dimensions": DIMENSIONS}
_FIELDS = {"filters": {"fields": ["year", "court", "score"]}}
RECIPES: dict[str, dict[str, Any]] = {
    "bm25": {"bm25": {}, **_FIELDS},
    "hybrid": {"bm25": {}, "dense": _DENSE, **_FIELDS},
    "binary": {"dense": _DENSE | {"storage": "binary", "rescore": "int8"}},
    "uhd": {"uhd": {"model": "none", "hidden": DIMENSIONS, "dimensions": 64, "winners": 8}, "bm25": {}},
    "trained": {"dense": _DENSE | {"factory": "IVF4,SQ8"}},
    "codes of FAISS alone": {"dense": _DENSE | {"factory": "SQ8", "keep_vectors": False}},
}

Question = Callable[[Index], object]


class Target(NamedTuple):
    """A file, and where in it; `kind` is what is there, whatever its segment or number."""

    path: Path
    place: slice
    kind: str


class Case(NamedTuple):
    """An index, and what each question is answered while nothing is damaged."""

    name: str
    folder: Path
    questions: dict[str, Question]
    answers: dict[str, object]

    @classmethod
    def make(cls, folder: Path, name: str, documents: int) -> Case:
        """Two commits, so that there are an older manifest and deletions; segments of a third of the documents."""
        recipe = {"name": name, "passages": _PASSAGES, "segments": {"passages": documents}, **RECIPES[name]}
        draw = np.random.default_rng(3)
        rows = [_document(random.Random(number), number) for number in range(documents)]
        with Index.create(folder, recipe, cache=False) as index:
            own = "dense" in recipe or "uhd" in recipe
            vectors = [draw.standard_normal((-(-len(row.text.split()) // 8), DIMENSIONS)) for row in rows]
            with index.writer() as writer:
                writer.add(rows, vectors if own else None)
            with index.writer() as writer:
                writer.delete([row.id for row in rows[::7]])
        questions = _questions(own, tuple(RECIPES[name].keys() - {"filters"}))
        with Index.open(folder) as index:
            answers = {question: ask(index) for question, ask in questions.items()}
        assert all(answers.values())
        assert verify(folder) == []
        return cls(name, folder, questions, answers)

    @property
    def files(self) -> list[Path]:
        """Every file that holds something."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and path.stat().st_size)
        return sorted(path for path in found if path.parent.name != "readers")

    @property
    def targets(self) -> list[Target]:
        """What can be damaged: every file, in one of arrays each of them and its directory."""
        return [target for path in self.files for target in _targets(self, path)]

    def check(self) -> tuple[int, list[str]]:
        """Ask everything; returns how many questions were refused, and what was wrong."""
        refused, wrong = 0, []
        try:
            index = Index.open(self.folder)
        except IndexCorrupt:
            return len(self.questions), wrong
        except Exception as error:  # noqa: BLE001 - whatever it is, it is to be reported
            return 0, [f"open: {type(error).__name__}: {error}"]
        with index:
            for question, ask in self.questions.items():
                try:
                    if ask(index) != self.answers[question]:
                        wrong.append(f"{question}: another answer")
                except IndexCorrupt:
                    refused += 1
                except Exception as error:  # noqa: BLE001
                    wrong.append(f"{question}: {type(error).__name__}: {error}")
        return refused, wrong


@contextmanager
def damaged(target: Target, kind: str, chance: random.Random) -> Iterator[bool]:
    """One file damaged there, and whole again afterwards; false where it came out as it was."""
    path, (start, stop) = target.path, (target.place.start, target.place.stop)
    good, checksum = path.read_bytes(), checksum_file(path)
    data = bytearray(good)
    at = chance.randrange(start, stop)
    if kind == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "zeros":
        end = min(stop, at + chance.randint(1, 64))
        data[at:end] = bytes(end - at)
    elif kind == "cut":
        del data[at:]
    path.unlink() if kind == "missing" else path.write_bytes(data)
    try:
        yield kind == "missing" or checksum_file(path) != checksum
    finally:
        path.write_bytes(good)


def faults(case: Case, target: Target) -> tuple[int, list[str]]:
    """What is not as it must be while this file is damaged, and how many questions were refused."""
    wrong = []
    try:
        found = verify(case.folder)
    except RetrieveError as error:
        found = [f"raised {type(error).__name__}"]
    if not any(str(target.path) in problem for problem in found):
        wrong.append(f"verify says {found}")
    refused, others = case.check()
    return refused, wrong + others


def _targets(case: Case, path: Path) -> Iterator[Target]:
    name = re.sub(r"[0-9a-f]{32}", "*", path.relative_to(case.folder).as_posix())
    name = re.sub(r"(manifest|deletions/)\.?\d+", r"\1*", name)
    size = path.stat().st_size
    if path.suffix != ".arrays" and path.name != "arrays":
        yield Target(path, slice(0, size), name)
        return
    arrays = _arrays(case.folder, path)
    between = 0
    for array in arrays.names:
        place = arrays.place(array)
        if place.start > between:
            yield Target(path, slice(between, place.start), f"{name} between arrays")
        if place.stop > place.start:
            yield Target(path, place, f"{name} {re.sub(r'columns/[0-9]+', 'columns/*', array)}")
        between = place.stop
    yield Target(path, slice(between, size), f"{name} directory")


def _arrays(index: Path, path: Path) -> PackedArrays:
    manifest = read_manifest(index)
    files = {
        place / name: entry
        for place, named in named_folders(index, manifest)
        for name, entry in named.items()
    }
    return PackedArrays(path, files[path].size, files[path].checksum)


def can_be_missing(target: Target) -> bool:
    """Whether anything says that the file should be there: an older manifest is named by nothing."""
    return re.fullmatch(r"manifest\.\d+\.json", target.path.name) is None


def _document(chance: random.Random, number: int) -> Document:
    metadata = {
        "year": 1990 + number % 20,
        "court": chance.choice(["BGH", "BVerfG", "EuGH"]),
        "score": number / 8,
        "remark": WORDS[number % 10],
    }
    words = chance.choices(WORDS, k=chance.choice([5, 8, 20]))
    return Document(f"d{number:04}", " ".join(words), f"title {number}", metadata)


def _questions(own: bool, views: tuple[str, ...]) -> dict[str, Question]:
    vector = np.linspace(-1, 1, DIMENSIONS) if own else None
    declared = {"year": {"gte": 1995}, "court": {"in": ["BGH", "EuGH"]}, "score": {"lt": 100}}

    def search(**options: Any) -> Question:
        text = QUERY if "bm25" in views else None
        return lambda index: index.search(text, k=20, vector=vector, **options)

    questions: dict[str, Question] = {
        "search": search(),
        "passages": search(unit="passage"),
        "filtered": search(where=declared),
        "filtered by documents": search(where={"remark": "wing"}),
        "get": lambda index: index.get_many([f"d{number:04}" for number in range(0, 40, 3)]),
        "ids": lambda index: list(index.ids()),
        "selected": lambda index: list(index.ids(where={"or": [declared, {"remark": "gene"}]})),
        "cut": lambda index: index.passages("d0001"),
    }
    for view in views if len(views) > 1 else ():
        alone = None if view == "bm25" else vector
        text = QUERY if view == "bm25" else None
        questions[view] = lambda index, view=view, text=text, vector=alone: index.search(  # type: ignore[misc]
            text, k=20, vector=vector, using=view
        )
    return questions
