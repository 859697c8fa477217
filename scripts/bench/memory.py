"""Peak memory of a build at growing numbers of passages: it is to follow the segment, not the corpus.

EU acts are cut into windows of 64 words, segments hold 25,000 passages (dense: 10,000), every build runs in a process
of its own that samples its anonymous memory (RssAnon: maps of files are the page cache's). Exit status 1 where the last
peak is more than 1.1 times the first. `--view dense` encodes too, without the vector cache.
`RETRIEVE_DATA=… python scripts/bench/memory.py --json`
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
from itertools import islice
from pathlib import Path
from typing import Any

from acts import WINDOWS, acts, documents_needed
from peak import Peak

from retrieve import Index

PASSAGES = {"bm25": (50_000, 100_000, 150_000), "dense": (10_000, 50_000, 150_000)}
RECIPES = {"bm25": "bm25", "dense": "flat"}
LIMIT = 1.1


def overrides(view: str) -> tuple[str, ...]:
    """The windows; and for `dense` the precision that the machine does best, which `flat` does not take."""
    if view == "bm25":
        return WINDOWS
    return (*WINDOWS, "passages.boundaries=sentence", "dense.precision=auto", "segments.passages=10000")


def build(view: str, documents: int) -> dict[str, Any]:
    """Build an index of the first acts and say what it took."""
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        Peak() as peak,
        Index.create(Path(folder) / "acts.index", RECIPES[view], overrides(view), cache=False) as index,
    ):
        with index.writer() as writer:
            writer.add(islice(acts(), documents))
        info = index.info()
    return {
        "documents": info["documents"],
        "passages": info["passages"],
        "segments": info["segments"],
        "encoder": None if view == "bm25" else f"{info['encoder']['backend']} {info['encoder']['precision']}",
        "peak_rss_anon_mib": round(peak.mebibytes, 1),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def build_alone(view: str, documents: int) -> dict[str, Any]:
    """The same in a new process."""
    command = [sys.executable, __file__, "--view", view, "--documents", str(documents)]
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
    parser.add_argument("--view", choices=sorted(RECIPES), default="bm25")
    parser.add_argument("--documents", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.documents:
        print(json.dumps(build(arguments.view, arguments.documents)))
        return 0
    view = arguments.view
    if view == "dense":
        build(view, 1)  # converts the model now, so that no measured build does
    builds = [build_alone(view, documents) for documents in documents_needed(PASSAGES[view])]
    ratio = builds[-1]["peak_rss_anon_mib"] / builds[0]["peak_rss_anon_mib"]
    result = {
        "command": f"python scripts/bench/memory.py --view {view} --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "recipe": [RECIPES[view], *overrides(view)],
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
