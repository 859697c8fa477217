"""Peak memory of a BM25 build at 50,000, 100,000 and 150,000 passages: it is to follow the segment, not the corpus.

EU acts are cut into windows of 64 words, segments hold 25,000 passages, every build runs in a process of its own
that samples its anonymous memory (RssAnon: maps of files are the page cache's). Exit status 1 where the last peak is
more than 1.1 times the first. `RETRIEVE_DATA=… python scripts/bench/memory.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from retrieve import Document, Index
from retrieve.corpora.open import open_corpus
from retrieve.recipe import load_recipe
from retrieve.store.pipeline import Pipeline

PASSAGES = (50_000, 100_000, 150_000)
SEGMENT = 25_000
LIMIT = 1.1
OVERRIDES = (
    "passages.mode=window",
    "passages.size=64",
    "passages.unit=words",
    "passages.title=none",
    f"segments.passages={SEGMENT}",
)


def acts() -> Iterator[Document]:
    """All acts, in the order of the files."""
    folder = Path(os.environ["RETRIEVE_DATA"]) / "eurlex_acts"
    for split in ("train", "validation", "test"):
        yield from open_corpus(folder / f"{split}.jsonl.gz")


def documents_needed() -> list[int]:
    """How many acts it takes to make each of `PASSAGES`."""
    pipeline = Pipeline(load_recipe("bm25", OVERRIDES))
    needed: list[int] = []
    passages = 0
    for number, document in enumerate(acts(), start=1):
        passages += len(pipeline.split([document])[0].spans)
        while len(needed) < len(PASSAGES) and passages >= PASSAGES[len(needed)]:
            needed.append(number)
        if len(needed) == len(PASSAGES):
            return needed
    raise SystemExit(f"the acts make {passages} passages, wanted {PASSAGES[-1]}")


class Peak:
    """The largest RssAnon of this process, in MiB, looked at every 20 ms."""

    def __init__(self) -> None:
        self.mebibytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    self.mebibytes = max(self.mebibytes, int(line.split()[1]) / 1024)


def build(documents: int) -> dict[str, Any]:
    """Build an index of the first acts and say what it took."""
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        Peak() as peak,
        Index.create(Path(folder) / "acts.index", "bm25", OVERRIDES) as index,
    ):
        with index.writer() as writer:
            writer.add(islice(acts(), documents))
        info = index.info()
    return {
        "documents": info["documents"],
        "passages": info["passages"],
        "segments": info["segments"],
        "peak_rss_anon_mib": round(peak.mebibytes, 1),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def build_alone(documents: int) -> dict[str, Any]:
    """The same in a new process."""
    command = [sys.executable, __file__, "--documents", str(documents)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    print(
        f"{result['passages']:,} passages in {result['segments']} segments: "
        f"peak {result['peak_rss_anon_mib']} MiB, {result['seconds']} s",
        file=sys.stderr,
    )
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--documents", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.documents:
        print(json.dumps(build(arguments.documents)))
        return 0
    builds = [build_alone(documents) for documents in documents_needed()]
    ratio = builds[-1]["peak_rss_anon_mib"] / builds[0]["peak_rss_anon_mib"]
    result = {
        "command": "python scripts/bench/memory.py --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "recipe": ["bm25", *OVERRIDES],
        "builds": builds,
        "ratio": round(ratio, 3),
        "limit": LIMIT,
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print(f"last peak / first peak: {ratio:.3f} (at most {LIMIT})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
