"""What it takes to open a large index and answer: bytes read and seconds, in a process that has just begun.

EU acts are cut into windows of 64 words and indexed again and again under new ids until the folder has the size that
was asked for. A new process then opens it and answers one query by BM25; what it read is told by the kernel (calls that
read, and pages of files that came into its memory). `RETRIEVE_DATA=… python scripts/bench/open.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from acts import WINDOWS, acts

from retrieve import Document, Index

QUERY = "import duties on rice from third countries"


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def endless() -> Iterator[Document]:
    """The acts, over and over."""
    for turn in count():
        for document in acts():
            yield replace(document, id=f"{turn}-{document.id}")


def build(folder: Path, megabytes: int) -> None:
    """Commits of a thousand acts until the folder is large enough; segments of the usual size."""
    documents = endless()
    with Index.create(folder, "bm25", (*WINDOWS, "segments.passages=1048576"), cache=False) as index:
        while size(folder) < megabytes * 1e6:
            with index.writer() as writer:
                writer.add(document for document, _ in zip(documents, range(1_000), strict=False))


def state() -> dict[str, int]:
    """Bytes that calls have read so far, bytes of files in memory, and faults that went to the disk."""
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    faults = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[9])
    return {
        "read": int(io["rchar"]),
        "mapped": int(status["RssFile"].split()[0]) * 1024,
        "disk": int(io["read_bytes"]),
        "major_faults": faults,
    }


def look(folder: Path) -> dict[str, Any]:
    """Open, ask once, ask again; imports and compiled kernels are loaded before, from a small index."""
    with tempfile.TemporaryDirectory() as small, Index.create(Path(small) / "i", "bm25") as index:
        with index.writer() as writer:
            writer.add([Document("1", "import duties on rice")])
        index.search(QUERY)
    steps: dict[str, Any] = {}
    before, begun = state(), time.perf_counter()

    def note(step: str) -> None:
        nonlocal before, begun
        seconds, now = time.perf_counter() - begun, state()
        steps[step] = {"milliseconds": round(seconds * 1e3, 1)} | {
            f"{key}_megabytes" if key != "major_faults" else key: (
                round((now[key] - before[key]) / 1e6, 2) if key != "major_faults" else now[key] - before[key]
            )
            for key in now
        }
        before, begun = state(), time.perf_counter()

    with Index.open(folder) as index:
        note("open")
        hits = index.search(QUERY)
        note("first query")
        assert index.search(QUERY) == hits
        note("second query")
        info = index.info()
    return {"passages": info["passages"], "segments": info["segments"], "steps": steps}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look:
        print(json.dumps(look(arguments.look)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "acts.index"
        begun = time.perf_counter()
        build(folder, arguments.megabytes)
        seconds = time.perf_counter() - begun
        command = [sys.executable, __file__, "--look", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        result = {
            "command": f"python scripts/bench/open.py --megabytes {arguments.megabytes} --json",
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
            "megabytes": round(size(folder) / 1e6),
            "build_seconds": round(seconds),
            **json.loads(done.stdout),
        }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{result['megabytes']} MB, {result['passages']:,} passages")
    for step, figures in result["steps"].items():
        print(f"{step}: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
