"""The parts of an Office file: a zip archive of XML parts that name each other by relations.

What an archive can do to its reader is bounded: a part is read up to a limit, and its XML under the guard of
`retrieve.corpora.xml_events`.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element

from retrieve.corpora.stream import Stream
from retrieve.corpora.xml_events import records
from retrieve.errors import InputError

MAX_PART = 256 << 20
"""Bytes of the largest part that is read, unpacked."""

_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


class Package:
    """An open archive. Every method raises `InputError` naming the file, and the part, for what is damaged."""

    def __init__(self, path: Path, where: str) -> None:
        self.where = where
        try:
            self._zip = zipfile.ZipFile(path)
        except _BROKEN_ZIP as error:
            raise self._damaged(error) from error

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def root(self, part: str) -> Element:
        """The root element of a part; its names have no prefixes."""
        where = f"{self.where} ({part})"
        try:
            with self._zip.open(part) as file:
                data = file.read(MAX_PART + 1)
        except (KeyError, *_BROKEN_ZIP) as error:
            raise self._damaged(error) from error
        if len(data) > MAX_PART:
            raise InputError(where, f"is longer than {MAX_PART:,} bytes when unpacked: split the document")
        stream = Stream(where, io.BytesIO(data))
        _, root = next(records(stream, lambda path: len(path) == 1, MAX_PART), (0, None))
        if isinstance(root, InputError):
            raise root
        if root is None:
            raise InputError(where, "is empty: repair the file or take it out")
        return root

    def related(self, part: str = "") -> dict[str, tuple[str, str]]:
        """Parts that a part names: its id → what it is (`header`, `footnotes`, …) and its name. "" is the package."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._zip.namelist():
            return {}
        found = {}
        for each in self.root(relations):
            if each.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))
                found[each.get("Id", "")] = (each.get("Type", "").rpartition("/")[2], target.lstrip("/"))
        return found

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            self.where,
            f"is not readable as an Office file ({type(error).__name__}: {error}): repair it or take it out",
        )
