"""Long random sequences of operations on an index, each ended by comparing it with a fresh one.

    python scripts/campaigns/operations.py --operations 1000 --seeds 3

The generator and the comparison are those of the test suite (`tests/store_operations.py`); a failure prints its seed.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

from store_operations import Mix, Run, recipe


@click.command(help=__doc__)
@click.option("--operations", default=1000, show_default=True, help="Length of each sequence.")
@click.option("--seeds", default=3, show_default=True, help="How many sequences.")
@click.option("--first", default=0, show_default=True, help="The first seed.")
def main(operations: int, seeds: int, first: int) -> None:
    """Run the campaign; exit status 1 if any sequence failed."""
    os.fsync = lambda descriptor: None  # nothing here survives a loss of power, nor has to
    failed = []
    started = time.monotonic()
    for seed in range(first, first + seeds):
        chance = random.Random(seed)
        mix = Mix(*(chance.randint(low, 8) for low in (2, 0, 0, 0, 0, 0, 1, 0, 0)))
        passages = chance.choice([7, 20, 50])
        with tempfile.TemporaryDirectory() as folder:
            try:
                run = Run(Path(folder) / "a.index", seed, mix, recipe(passages))
                run.run(operations)
                run.check(Path(folder) / "fresh.index")
            except Exception:  # noqa: BLE001 - whatever went wrong, the other seeds are still worth running
                traceback.print_exc()
                failed.append(seed)
                continue
        print(
            f"seed {seed}: {operations} operations, segments of {passages} passages, "
            f"generation {run.index.generation}, {len(run.index)} documents: equal",
            flush=True,
        )
    seconds = time.monotonic() - started
    print(f"{seeds - len(failed)} of {seeds} sequences of {operations} operations equal; {seconds:.0f} s")
    if failed:
        sys.exit(f"failed seeds: {failed}")


if __name__ == "__main__":
    main()
