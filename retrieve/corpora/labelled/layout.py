"""What is at a source: its files, the split that each one's name says, and the first record of each kind.

Formats are told by this alone, and find their files through it, so that what is recognised is what is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.folder import list_files
from retrieve.corpora.jsonl import filled_lines, parse_object
from retrieve.corpora.labelled.fields import SPLITS
from retrieve.corpora.stream import Stream, shown
from retrieve.errors import InputError

_JSON = (".jsonl", ".ndjson")


@dataclass
class Layout:
    """A file, or a folder with all files under it in the order of their paths. `taken`: those that a format read."""

    source: Path
    files: list[Path]
    options: ReadOptions
    taken: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, source: Path, options: ReadOptions) -> Layout:
        """Look at `source`. Raises `InputError` if nothing is there, or it cannot be read."""
        if not source.exists():
            raise InputError(shown(source), "there is no such file or folder")
        return cls(source, list_files(source).files if source.is_dir() else [source], options)

    @property
    def name(self) -> str:
        """For messages."""
        return shown(self.source)

    @property
    def folder(self) -> Path:
        """Where files beside the records (`labels.json`) are looked for."""
        return self.source if self.source.is_dir() else self.source.parent

    def named(self, *names: str) -> Path | None:
        """The file with one of the names, plain or .gz, upper and lower case alike. `InputError` if there are more."""
        found = [path for path in self.files if _plain_name(path).lower() in {name.lower() for name in names}]
        if len(found) > 1:
            raise InputError(
                self.name, f"holds {' and '.join(path.name for path in found)}: keep one of them"
            )
        return found[0] if found else None

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """Files of the kind, plain or .gz; of a single file that is called otherwise, none."""
        return [path for path in self.files if _plain_name(path).lower().endswith(suffixes)]

    def json_files(self, also: Iterable[str] = ()) -> list[tuple[Path, str | None]]:
        """Files of JSON lines with their splits. Where any is named for one (or as `also` says), those alone."""
        return self._by_split(self.with_suffix(*_JSON), also)

    def tables(self) -> list[tuple[Path, str | None]]:
        """Files of comma- or tab-separated values, likewise."""
        return self._by_split(self.with_suffix(".csv", ".tsv"), ())

    def _by_split(self, files: list[Path], also: Iterable[str]) -> list[tuple[Path, str | None]]:
        also = set(also)
        named = [path for path in files if _stem(path) in SPLITS or _stem(path) in also]
        chosen = named or files
        splits: dict[str, Path] = {}
        for path in named:
            if path.parent == self.source and _stem(path) in SPLITS:
                split = SPLITS[_stem(path)]
                if split in splits:
                    raise InputError(
                        self.name,
                        f"holds {splits[split].name} and {path.name}, both {split}: keep one of them",
                    )
                splits[split] = path
        self.taken.update(chosen)
        return [(path, SPLITS.get(_stem(path))) for path in chosen]

    @cached_property
    def first_object(self) -> dict[str, Any]:
        """The first JSON object of the files of JSON lines that can be read; {} where there is none."""
        for path in self.with_suffix(*_JSON):
            with Stream.open(path) as stream:
                for line, text in filled_lines(stream, self.options):
                    if isinstance(text, InputError):
                        continue
                    try:
                        return parse_object(text, f"{path}:{line}")
                    except InputError:
                        continue  # the reader says what is wrong with it
        return {}

    @property
    def has_json_lines(self) -> bool:
        """Whether there are files of JSON lines, readable or not."""
        return bool(self.with_suffix(*_JSON))

    def remarks(self) -> list[str]:
        """A sentence about records that are not read, because other files are named for splits."""
        unread = [path.name for path in self.with_suffix(*_JSON, ".csv", ".tsv") if path not in self.taken]
        return [f"not read, for their names say no split: {', '.join(unread)}"] if unread else []


def _plain_name(path: Path) -> str:
    return path.name[: -len(".gz")] if path.suffix.lower() == ".gz" else path.name


def _stem(path: Path) -> str:
    return _plain_name(path).rpartition(".")[0].lower()
