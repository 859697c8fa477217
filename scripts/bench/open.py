"""What it takes to open a large index and answer: bytes read and seconds, in a process that has just begun.

A few thousand EU acts in windows of 64 words are indexed, and the segment is written out again with every document
under many ids, postings merged with themselves, until the folder has the size that was asked for: the words are those
of the few acts, everything else is as large as it would be. The system is asked to forget the files, and a new process
opens the folder and answers one query by BM25. What it read is told by the kernel: calls that read, bytes fetched from
the disk, its reading ahead included, and pages of files in the process, where it maps neighbours that it holds anyway.
`RETRIEVE_DATA=… python scripts/bench/open.py --json`
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
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from acts import WINDOWS, acts

from retrieve import Document, Index
from retrieve.index.merged_postings import merge_postings
from retrieve.recipe import load_recipe
from retrieve.store.commit import commit
from retrieve.store.document_rows import Row
from retrieve.store.garbage import remove_garbage
from retrieve.store.segment import Segment
from retrieve.store.segment_folder import SegmentFolder
from retrieve.store.snapshot import Snapshot
from retrieve.store.write_segment import Made, write_segment
from retrieve.views.postings import write_postings
from retrieve.views.protocol import Built

QUERY = "import duties on rice from third countries"


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def build(folder: Path, megabytes: int, acts_indexed: int) -> None:
    """Index the acts, then replace the segment by as many as it takes, of up to a million passages."""
    sizes = (*WINDOWS, "segments.passages=1048576")
    with Index.create(folder, "bm25", sizes, cache=False) as index, index.writer() as writer:
        writer.add(islice(acts(), acts_indexed))
    base = Snapshot.open(folder)
    segment = base.segments[0]
    times = -(-megabytes * 10**6 // size(folder))
    at_once = max(1, min(1_048_576 // segment.passage_rows, times))
    recipe = load_recipe("bm25", sizes)
    segments = []
    for first in range(0, times, at_once):
        turns = range(first, min(first + at_once, times))
        entry = write_segment(
            folder,
            f"{first:032x}",
            partial(repeated, segment, turns),
            partial(views, segment, turns),
            recipe.filters.fields,
        )
        segments.append(Segment.open(folder, entry, recipe))
    commit(folder, base, segments, [np.ones(each.rows, np.bool_) for each in segments], ())
    base.close()
    remove_garbage(folder, None)


def repeated(segment: Segment, turns: range) -> Iterator[Row]:
    """The segment's documents once a turn, under ids that begin with the turn."""
    stored = segment.documents.get(range(segment.rows), list(segment.ids))
    for turn in turns:
        for row, (document, hashes) in enumerate(stored):
            first, last = segment.first_passage[row : row + 2]
            units, indexed, cut, length = segment.units[row].tolist()
            spans = segment.passages[first:last, 1:].astype(np.int64)
            renamed = replace(document, id=f"{turn:06}-{document.id}")
            yield Row(renamed, hashes, spans, units, indexed, length, cut=cut)


def views(segment: Segment, turns: range, building: SegmentFolder) -> Made:
    """The postings of that."""
    rows = segment.passage_rows
    maps = [np.arange(rows, dtype=np.int64) + number * rows for number in range(len(turns))]
    view = segment.views[0]
    merged = merge_postings([segment.view(view)] * len(turns), maps, rows * len(turns))
    write_postings(merged, building.output(view.name))
    terms, termed = int(merged.lengths.sum(dtype=np.int64)), int(np.count_nonzero(merged.lengths))
    return Made([Built(terms=terms, termed=termed)])


def forget(folder: Path) -> None:
    """Put the files out of the system's memory."""
    for path in filter(Path.is_file, folder.rglob("*")):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


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
    parser.add_argument("--acts", type=int, default=2_000, help="how many acts the words come from")
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look:
        print(json.dumps(look(arguments.look)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "acts.index"
        begun = time.perf_counter()
        build(folder, arguments.megabytes, arguments.acts)
        seconds = time.perf_counter() - begun
        forget(folder)
        command = [sys.executable, __file__, "--look", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        looked, bytes_there = json.loads(done.stdout), size(folder)
        for figures in looked["steps"].values():
            figures["share_from_disk"] = round(figures["disk_megabytes"] * 1e6 / bytes_there, 4)
        result = {
            "command": f"python scripts/bench/open.py --megabytes {arguments.megabytes} --acts {arguments.acts} --json",
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
            "megabytes": round(bytes_there / 1e6),
            "build_seconds": round(seconds),
            **looked,
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
