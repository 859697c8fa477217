"""Which files at a source hold questions, what split their names say, and the first record of each kind.

Formats are told by this alone, and find their files through it, so that what is recognised is what is read. Names of
published files have their split anywhere in them (`ARC-Easy-Test.jsonl`, `questions.dev.tsv`, `train_complete.jsonl`),
so a split is told by the words of a name, where labelled data want the whole name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import table_rows
from retrieve.corpora.jsonl import filled_lines, parse_object
from retrieve.corpora.labelled.fields import SPLITS
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.questions.members import first_member
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError

GROUND_TRUTH = "test_ground_truth.json"

Filed = list[tuple[Path, str | None]]

_LINES = (".jsonl", ".ndjson")
_NO_QUESTIONS = ("corpus", "test_ground_truth")  # names up to the first dot
_WORDS = re.compile(r"[^a-z0-9]+")
_SHOWN = 10


class Source:
    """The files at a source as holders of questions. A `corpus.jsonl` among them is never read here."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.options = options
        self._layout = Layout.of(path, options)

    @property
    def name(self) -> str:
        """For messages."""
        return self._layout.name

    def json_lines(self) -> Filed:
        """Files called JSON lines, with their splits. Where any is named for a split, those alone."""
        return self._by_split(*_LINES)

    def json_files(self) -> Filed:
        """Those, or where there are none, files called .json: some schemas call their JSON lines so."""
        return self.json_lines() or self._by_split(".json")

    def tables(self) -> Filed:
        """Files of tab-separated values, likewise."""
        return self._by_split(".tsv")

    def _by_split(self, *suffixes: str) -> Filed:
        files = [path for path in self._layout.with_suffix(*suffixes) if stem(path) not in _NO_QUESTIONS]
        splits = {path: split_in(path.name) for path in files}
        chosen = [path for path in files if splits[path]] or files
        self._layout.taken.update(chosen)
        return [(path, splits[path]) for path in chosen]

    @cached_property
    def first_object(self) -> Mapping[str, Any]:
        """The first JSON object of the files of JSON that can be read, or the first one inside of it; else {}."""
        for path, _ in self.json_files():
            with Stream.open(path) as stream:
                inner = first_member(stream, self.options)
            if inner is not None and "QUESTION" in inner:  # PubMedQA's one object of records by their ids
                return inner
            with Stream.open(path) as stream:
                for line, text in filled_lines(stream, self.options):
                    if isinstance(text, InputError):
                        continue
                    try:
                        return parse_object(text, f"{path}:{line}")
                    except InputError:
                        continue  # the reader says what is wrong with it
        return {}

    @cached_property
    def heading(self) -> list[str]:
        """The heading of the first table; [] where there is none."""
        for path, _ in self.tables():
            with Stream.open(path) as stream:
                for _, cells in table_rows(stream, self.options, "\t"):
                    return [] if isinstance(cells, InputError) else cells
        return []

    def unread(self) -> list[str]:
        """A sentence about files that are not read, because others are named for splits."""
        others = [
            path.name
            for path in self._layout.with_suffix(*_LINES, ".json", ".tsv")
            if path not in self._layout.taken and stem(path) not in _NO_QUESTIONS
        ]
        if not others:
            return []
        names = ", ".join(others[:_SHOWN]) + (", …" if len(others) > _SHOWN else "")
        return [f"{len(others)} files are not read, for their names say no split: {names}"]


def split_in(name: str) -> str | None:
    """The split that the words of a file's name say; None if they say none, or two different ones."""
    said = {SPLITS[word] for word in _WORDS.split(name.lower()) if word in SPLITS}
    return said.pop() if len(said) == 1 else None


def stem(path: Path) -> str:
    """The name up to its first dot, in lower case."""
    return path.name.partition(".")[0].lower()
