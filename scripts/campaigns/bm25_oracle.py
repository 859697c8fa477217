"""BM25 against its formula on thousands of random corpora: `python scripts/campaigns/bm25_oracle.py --corpora 2000`.

The suite runs the same checks on a few seeds. A seed that fails is printed and stands for its corpus; the exit status
is 1 where any did.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CUTS_EVERY = 10  # the cut into segments costs ten times the comparison with the formula


def check(seed: int) -> list[str]:
    """Failures of one corpus, each as a line."""
    from bm25_formula import check_cuts, check_formula

    failures = []
    for each in (check_formula, check_cuts) if seed % CUTS_EVERY == 0 else (check_formula,):
        with tempfile.TemporaryDirectory() as folder:
            try:
                each(Path(folder) / "index", seed)
            except AssertionError as error:
                failures.append(f"seed {seed}: {each.__name__}: {str(error)[:500]}")
    return failures


def prepare() -> None:
    """Let a worker find the tests' helpers, and spare it the disk: nothing here is to survive a crash."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.fsync = lambda fd: None


def results(seeds: range, processes: int) -> Iterator[list[str]]:
    with ProcessPoolExecutor(processes, initializer=prepare) as pool:
        yield from pool.map(check, seeds, chunksize=10)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpora", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="the first corpus; the others follow it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.corpora)
    begun = time.perf_counter()
    failures = []
    for done, found in enumerate(results(seeds, arguments.processes), start=1):
        failures += found
        for line in found:
            print(line)
        if done % 100 == 0:
            print(f"{done} of {len(seeds)} corpora", file=sys.stderr)
    cuts = sum(seed % CUTS_EVERY == 0 for seed in seeds)
    print(
        f"{len(seeds)} corpora equal to the formula and {cuts} to themselves in 1, 3 and 17 segments, "
        f"but for {len(failures)} failures; {time.perf_counter() - begun:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
