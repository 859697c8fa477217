"""One file of records as a part of a corpus: opens the stream, hands it to the format's reader, knows its progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.stream import STANDARD_INPUT, Stream, regular_size, shown
from retrieve.errors import UsageError

Reader = Callable[[Stream, ReadOptions], Records]


class FilePart:
    """A file, or standard input for None, read by `reader`."""

    def __init__(self, path: Path | None, reader: Reader, size: int | None) -> None:
        self.name = STANDARD_INPUT if path is None else shown(path)
        self.size = size
        self._path = path
        self._reader = reader
        self._stream: Stream | None = None

    @classmethod
    def at(cls, path: Path, reader: Reader) -> FilePart:
        """The file at `path`. Raises `InputError` if it is not there."""
        return cls(path, reader, regular_size(path))

    @classmethod
    def standard_input(cls, reader: Reader) -> FilePart:
        """Standard input, for one pass."""
        return cls(None, reader, None)

    @property
    def position(self) -> int:
        """Bytes taken from the disk in the last pass."""
        return self._stream.position if self._stream else 0

    def records(self, options: ReadOptions) -> Records:
        """One pass. Raises `UsageError` on a second pass over standard input: there is nothing left to read."""
        if self._path is None and self._stream is not None:
            raise UsageError("standard input can be read only once: put it into a file")
        with Stream.open(self._path) as stream:
            self._stream = stream
            yield from self._reader(stream, options)
