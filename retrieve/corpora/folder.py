"""Files that people wrote, one by one or a folder of them: which are readable, and one document for each.

The id of a document is its file's path, from the folder that is read, or from a root that stays the same when a single
file or a part of the folder is read again. What is left out is counted and logged by suffix: a folder of a thousand
Word files must not look like an empty one.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import Corpus, ReadOptions, Records
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


_NAMED = 5
"""Files that a remark names; of more, only the count is said."""

_LOOKED_AT = 1000
"""Files behind a bad one that are looked at for more: the error is not to be waited for until all are read."""
_LISTED = 10
"""Bad files that one error names."""


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


def log_left_out(folder: Path, left_out: Counter[str], unread: Sequence[Path]) -> None:
    """One warning with how many of what, and which are the first; nothing if there is nothing to say.

    `left_out`: what was not looked at, by kind. `unread`: files that are not read.
    """
    all_kinds = left_out + Counter(path.suffix.lower() or "without a suffix" for path in unread)
    if all_kinds:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(all_kinds.items()))
        named = f" ({some_names(folder, unread)})" if unread else ""
        is_not = "entry is" if all_kinds.total() == 1 else "entries are"
        logger.warning("%s: %d %s not read: %s%s", shown(folder), all_kinds.total(), is_not, kinds, named)


def some_names(folder: Path, files: Sequence[Path]) -> str:
    """The first of the files, by their paths from the folder."""
    named = sorted(path.relative_to(folder) for path in files)[:_NAMED]
    return ", ".join(map(shown, named)) + (", …" if len(files) > _NAMED else "")


class FolderPart:
    """Text files as documents: the id is the path relative to the folder, with forward slashes."""

    def __init__(self, folder: Path, files: list[tuple[str, Path, int]]) -> None:
        self.name = shown(folder)
        self.size: int | None = sum(size for _, _, size in files)
        self.position = 0
        self._files = files

    @classmethod
    def of(cls, folder: Path, files: list[Path]) -> FolderPart:
        """The given files, with their sizes. Raises `InputError` for one that is not in the folder."""
        return cls(folder, [(relative_id(path, folder), path, regular_size(path) or 0) for path in files])

    @property
    def paths(self) -> dict[str, Path]:
        """Each file by its id."""
        return {doc_id: path for doc_id, path, _ in self._files}

    def records(self, options: ReadOptions) -> Records:
        """One pass; the `line` of a record is the file's place in the list.

        Where a bad file ends the pass, what follows it is looked at for more, and one error names them all.
        """
        with closing(self._rows(options)) as rows:
            for row in rows:
                if isinstance(row.outcome, InputError) and not options.skip_bad and len(self._files) > 1:
                    yield Row(row.line, self._with_further(row.outcome, rows))
                    return
                yield row

    def _with_further(self, first: InputError, rows: Records) -> InputError:
        """The error that names all bad files of those that follow, or the first of them."""
        following = (row.outcome for row in islice(rows, _LOOKED_AT))
        found = [first, *islice((one for one in following if isinstance(one, InputError)), _LISTED - 1)]
        if len(found) == 1:
            said = str(first).removeprefix(f"{first.where}: ")
            return InputError(first.where, f"{said}; --skip-bad reads the others")
        several = f"{len(found)} files" if len(found) < _LISTED else f"{_LISTED} files, and perhaps more,"
        named = "".join(f"\n  {error}" for error in found)
        return InputError(
            self.name, f"{several} cannot be read; --skip-bad reads the others and names these:{named}"
        )

    def _rows(self, options: ReadOptions) -> Records:
        self.position = 0
        with PdfReader() as pdfs:
            for place, (doc_id, path, size) in enumerate(self._files, start=1):
                outcome: Document | InputError
                try:
                    outcome = _document(doc_id, path, pdfs, options.max_line)
                except InputError as error:
                    outcome = error
                yield Row(place, outcome)
                self.position += size


class FileCorpus(Corpus):
    """Files that are a document each.

    `paths`: each file by its id, before anything is read. `folder`: what ids of all files of the folder begin with, ""
    for the root itself; None for a single file.
    """

    def __init__(
        self, name: str, part: FolderPart, options: ReadOptions, *, folder: str | None = None
    ) -> None:
        super().__init__(name, [part], options)
        self.paths = part.paths
        self.folder = folder

    @classmethod
    def of_folder(cls, folder: Path, files: list[Path], options: ReadOptions) -> FileCorpus:
        """The given files of a folder."""
        root = options.root or folder
        below = relative_id(folder, root)
        part = FolderPart.of(root, files)
        return cls(str(folder), part, options, folder="" if below == "." else f"{below}/")


def check_distinct(corpora: Iterable[Corpus]) -> None:
    """Raise `InputError` if two files of several corpora would be one document, the second in place of the first."""
    paths: dict[str, Path] = {}
    for corpus in corpora:
        for doc_id, path in corpus.paths.items() if isinstance(corpus, FileCorpus) else ():
            other = paths.setdefault(doc_id, path)
            if not other.samefile(path):
                raise InputError(
                    shown(path),
                    f"would be document {doc_id!r}, and so would {shown(other)}: --root FOLDER, a folder that holds "
                    f"both, gives each its path from there as its id",
                )


def relative_id(path: Path, folder: Path) -> str:
    """The path from the folder, with forward slashes, also where only one of them is absolute.

    A link to a file is not followed. Raises `InputError` for what is not in the folder.
    """
    if ".." not in path.parts and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    real = path.resolve() if path.is_dir() else path.parent.resolve() / path.name
    root = folder.resolve()
    if not real.is_relative_to(root):
        raise InputError(shown(path), f"is not in {shown(folder)}, from which --root says that ids are paths")
    return real.relative_to(root).as_posix()


def _document(doc_id: str, path: Path, pdfs: PdfReader, max_bytes: int) -> Document:
    where = shown(path)
    suffix = path.suffix.lower()
    if suffix == PDF_SUFFIX:
        extracted = pdfs.read(path, where)
    elif suffix == DOCX_SUFFIX:
        extracted = docx_text(path, where)  # text alone: what weighs in such a file is pictures
    else:
        extracted = TEXT_SUFFIXES[suffix](_content(path, max_bytes), where)
    document = extracted.document(doc_id)
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
