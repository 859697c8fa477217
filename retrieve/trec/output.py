"""A file that is written whole or not at all, for output that can be standard output, a pipe or compressed."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from retrieve.errors import InputError


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well, and leaves it as it was when not."""
    if str(path) == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.exists() and not target.is_file():  # /dev/null or a pipe: nothing that a rename may replace
        with _opened_to_write(target, target) as file:
            yield file
        return
    target = target.resolve()  # a link stays a link
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with _opened_to_write(temporary, target) as raw:
            if target.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _opened_to_write(path: Path, named: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise InputError(str(named), f"cannot be written: {error.strerror}") from error
