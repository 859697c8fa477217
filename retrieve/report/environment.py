"""What a figure was made with and on: versions, the machine, and the files it was read from, by their digests."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from retrieve.report.records import Cell, KeyValues

_PROCESSORS = Path("/proc/cpuinfo")


def versions(packages: Sequence[str]) -> KeyValues:
    """Versions of this package, of Python, and of others; one that is not installed is a dash."""
    pairs: list[tuple[str, Cell]] = [("Python", platform.python_version())]
    return KeyValues(
        "Versions", (*pairs, *((name, _version(name)) for name in ("retrieve-engine", *packages)))
    )


def machine() -> KeyValues:
    """System, processor and cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return KeyValues(
        "Machine", (("system", platform.platform()), ("processor", _processor()), ("cores", cores))
    )


def files(paths: Iterable[str]) -> KeyValues:
    """Files with their SHA-256; what is no file (standard input, a folder, a catalogue's name) is a dash."""
    return KeyValues("Files, by SHA-256", tuple((path, _digest(Path(path))) for path in paths))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    if _PROCESSORS.is_file():
        for line in _PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
