"""What 8.8 million passages would take: builds of MS MARCO's form at growing sizes, each command in its own process.

The real passages are not needed: windows of 56 words of EU acts are written as `collection.tsv`, drawn with one word in
five from another window and three new words in ten passages, so that the vocabulary grows with the collection as that
of the web passages does (2.7 million terms). The two smaller sizes predict the last one's processor time and disk, the
last one those of the full collection. Searched are the real topics of TREC DL 2020 under $RETRIEVE_DATA.
Exit status 1 where the last peak of memory is more than 1.1 times the one before it.
`RETRIEVE_DATA=… python scripts/bench/scale.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from acts import acts
from peak import Peak, usage_of

FULL = 8_841_823
SIZES = {"bm25": (50_000, 100_000, 1_000_000), "flat": (1_000, 10_000, 100_000)}
WORDS, OTHER, NEW = 56, 0.2, 0.3
"""Words of a passage; of one that comes again the share from another passage, and the new words it brings."""
LIMIT = 1.1
PREDICTED = ("processor_seconds", "index_bytes")


def passages(number: int) -> Iterator[str]:
    """So many texts: windows of the acts, drawn and changed, so that a collection of any size is of one kind."""
    words = [each.text.split() for each in acts()]
    windows = [text[start : start + WORDS] for text in words for start in range(0, len(text), WORDS)]
    return (" ".join(changed(windows, made)) for made in range(number))


def changed(windows: Sequence[Sequence[str]], made: int) -> list[str]:
    """A window drawn again, with words of another one and perhaps a new word; `made` tells one from the next."""
    rng = random.Random(made)
    own, other = rng.choice(windows), rng.choice(windows)
    words = [rng.choice(other) if rng.random() < OTHER else word for word in own]
    return [*words, f"w{rng.getrandbits(40):x}"] if rng.random() < NEW else words


def measured(arguments: Sequence[str]) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of one `retrieve` command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "retrieve", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with Peak(process.pid) as peak:
        said = (
            process.stderr.read()
        )  # ends with the process, which is there to be looked at until it is waited for
    usage = usage_of(process)
    if process.returncode:
        raise SystemExit(said)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_anon_mib": round(peak.mebibytes, 1),
    }


def row(folder: Path, number: int, recipe: str, options: Sequence[str]) -> dict[str, Any]:
    """A collection of so many passages, built and searched."""
    collection, index = folder / "collection.tsv", folder / "built.index"
    with collection.open("w", encoding="utf-8") as file:
        file.writelines(f"{made}\t{text}\n" for made, text in enumerate(passages(number)))
    settings = [part for option in options for part in ("--set", option)]
    built = measured(
        [
            "index",
            "create",
            str(index),
            str(collection),
            "--recipe",
            recipe,
            *settings,
            "--force",
            "--no-cache",
        ]
    )
    topics = Path(os.environ["RETRIEVE_DATA"]) / "msmarco-topics" / "topics.dl20.txt"
    searched = measured(["run", str(index), str(topics), "--out", str(folder / "run.trec")])
    return {
        "passages": number,
        "text_bytes": collection.stat().st_size,
        "build": built,
        "index_bytes": sum(each.stat().st_size for each in index.rglob("*") if each.is_file()),
        "run_of_200_queries": searched,
    }


def predicted(rows: Sequence[dict[str, Any]], number: int) -> dict[str, float]:
    """Processor seconds and bytes of so many passages, by the line through two rows."""
    (first, last), found = rows, {}
    for name in PREDICTED:
        low, high = ({**each, **each["build"]}[name] for each in (first, last))
        slope = (high - low) / (last["passages"] - first["passages"])
        found[name] = round(high + slope * (number - last["passages"]))
    return found


def main() -> int:
    """Build, search, predict, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=sorted(SIZES), default="bm25")
    parser.add_argument("--sizes", type=int, nargs=3, help="in place of those of the recipe")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    asked = parser.parse_args()
    sizes = asked.sizes or SIZES[asked.recipe]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        row(
            Path(folder), 1_000, asked.recipe, asked.set
        )  # compiles and converts, so that no measured build does
        for number in sizes:
            rows.append(row(Path(folder), number, asked.recipe, asked.set))
            print(json.dumps(rows[-1]), file=sys.stderr)
    small, middle, last = rows
    ratio = last["build"]["peak_rss_anon_mib"] / middle["build"]["peak_rss_anon_mib"]
    report = {
        "command": " ".join(["python scripts/bench/scale.py", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "collection": "made: windows of 56 words of EU acts, repeated and changed; not MS MARCO",
        "recipe": [asked.recipe, *asked.set],
        "rows": rows,
        "predicted_of_last": predicted([small, middle], last["passages"]),
        "predicted_of_full": {"passages": FULL, **predicted([middle, last], FULL)},
        "ratio_of_peaks": round(ratio, 3),
        "limit": LIMIT,
    }
    print(json.dumps(report, indent=None if asked.json else 2))
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
