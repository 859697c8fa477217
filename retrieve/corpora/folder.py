"""A folder as a collection: which of its files are readable, and one document for each text file.

What is left out is counted and logged by suffix: a folder of a thousand Word files must not look like an empty one.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.docx import docx_text
from retrieve.corpora.extract import markdown, plain_text
from retrieve.corpora.extracted import Extracted
from retrieve.corpora.html_page import html_text
from retrieve.corpora.mail import mail_text
from retrieve.corpora.pdf.reader import PdfReader
from retrieve.corpora.rows import Row
from retrieve.corpora.stream import regular_size, shown, too_long
from retrieve.errors import InputError
from retrieve.types import Document

logger = logging.getLogger("retrieve")

TEXT_SUFFIXES: dict[str, Callable[[bytes, str], Extracted]] = {
    ".txt": plain_text,
    ".md": markdown,
    ".html": html_text,
    ".htm": html_text,
    ".xhtml": html_text,
    ".eml": mail_text,
}
PDF_SUFFIX = ".pdf"
DOCX_SUFFIX = ".docx"
SUFFIXES = (*TEXT_SUFFIXES, DOCX_SUFFIX, PDF_SUFFIX)
"""Of the files that are documents."""


class Listing(NamedTuple):
    """The files under a folder in the order of their relative paths, and what was not looked at, by kind."""

    files: list[Path]
    left_out: Counter[str]


def list_files(folder: Path) -> Listing:
    """Every file under the folder. Hidden files and folders and links to folders are counted, not followed."""
    files: list[Path] = []
    left_out: Counter[str] = Counter()

    def unreadable(error: OSError) -> None:
        raise InputError(shown(Path(error.filename)), f"cannot be read: {error.strerror}") from error

    for root, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(root)
        for name in [*folders]:
            if name.startswith("."):
                left_out["hidden"] += 1
                folders.remove(name)
            elif (here / name).is_symlink():
                left_out["links to folders"] += 1
        for name in names:
            if name.startswith("."):
                left_out["hidden"] += 1
            elif (here / name).is_file():
                files.append(here / name)
            else:
                left_out["not regular files"] += 1
    files.sort(key=lambda path: path.relative_to(folder).as_posix())
    return Listing(files, left_out)


def log_left_out(folder: Path, left_out: Counter[str]) -> None:
    """One warning with how many of what; nothing if there is nothing to say."""
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
        logger.warning("%s: %d entries are not read: %s", shown(folder), left_out.total(), kinds)


class FolderPart:
    """Text files as documents: the id is the path relative to the folder, with forward slashes."""

    def __init__(self, folder: Path, files: list[tuple[Path, int]]) -> None:
        self.name = shown(folder)
        self.size: int | None = sum(size for _, size in files)
        self.position = 0
        self._folder = folder
        self._files = files

    @classmethod
    def of(cls, folder: Path, files: list[Path]) -> FolderPart:
        """The given files of the folder, with their sizes."""
        return cls(folder, [(path, regular_size(path) or 0) for path in files])

    def records(self, options: ReadOptions) -> Records:
        """One pass; the `line` of a record is the file's place in the list."""
        self.position = 0
        with PdfReader() as pdfs:
            for place, (path, size) in enumerate(self._files, start=1):
                outcome: Document | InputError
                try:
                    outcome = self._document(path, pdfs, options.max_line)
                except InputError as error:
                    outcome = error
                yield Row(place, outcome)
                self.position += size

    def _document(self, path: Path, pdfs: PdfReader, max_bytes: int) -> Document:
        where = shown(path)
        suffix = path.suffix.lower()
        if suffix == PDF_SUFFIX:
            extracted = pdfs.read(path, where)
        elif suffix == DOCX_SUFFIX:
            extracted = docx_text(path, where)  # text alone: what weighs in such a file is pictures
        else:
            extracted = TEXT_SUFFIXES[suffix](_content(path, max_bytes), where)
        document = extracted.document(path.relative_to(self._folder).as_posix())
        check_document(document, where)
        return document


def _content(path: Path, max_bytes: int) -> bytes:
    """The whole file, refused without reading it if it is longer than the longest record accepted."""
    if (regular_size(path) or 0) > max_bytes:
        raise too_long(shown(path), max_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(shown(path), f"cannot be read: {error.strerror}") from error
