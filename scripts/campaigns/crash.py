"""Builds killed with SIGKILL at random moments, repeated to the end, and compared with an undisturbed build.

    python scripts/campaigns/crash.py --kills 100 --seed 1

The encoder is a tiny random one, the machinery that of the test suite (`tests/store_crash.py`). After each kill the
index must be whole and answer from the old or the new generation; after the repetition every byte must be the same.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import click

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

from store_crash import PHASES, Scenario, Undisturbed, die_at, disturb
from tiny_models import tiny_encoder_folder


@click.command(help=__doc__)
@click.option("--kills", default=100, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--documents", default=120, show_default=True)
@click.option("--factory", default="Flat", show_default=True, help="FAISS factory string of the dense view.")
def main(kills: int, seed: int, documents: int, factory: str) -> None:
    """Run the campaign; any difference ends it with an error."""
    import torch

    torch.set_num_threads(1)  # a forked child must not wait for threads that only its parent has
    chance = random.Random(seed)
    started = time.monotonic()
    died: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        recipe = {
            "name": "crash",
            "passages": {"size": 24},
            "bm25": {},
            "dense": {
                "model": str(tiny_encoder_folder(folder / "encoder")),
                "factory": factory,
                "backend": "torch",  # of OpenVINO a manifest says in how many threads: one, in a forked child
                "precision": "fp32",
            },
            "segments": {"passages": 60},
        }
        scenario = Scenario.make(folder / "source", recipe, documents=documents, seed=seed)
        undisturbed = Undisturbed.build(scenario, folder / "undisturbed" / "a.index")
        if factory != "Flat" and not any(name.startswith("trained/") for name in undisturbed.files[0]):
            raise click.UsageError(f"{documents} documents are too few to train {factory}: raise --documents")
        number = 0
        while sum(died.values()) < kills:
            phase = PHASES[number % len(PHASES)]
            number += 1
            # By turns at a moment of the clock and at a change to the folder: few moments are between two changes.
            if number % 2:
                kill = {"kill_after": chance.uniform(0, undisturbed.seconds[phase - 1])}
            else:
                kill = {
                    "prepare": partial(
                        die_at, folder / "a.index", chance.randint(1, 150), lambda event, path: True
                    )
                }
            if disturb(scenario, folder / "a.index", phase, undisturbed, **kill):
                died[f"phase {phase}"] += 1
    seconds = time.monotonic() - started
    print(
        f"{sum(died.values())} kills ({dict(sorted(died.items()))}) in {number} builds: every repeated build has the "
        f"undisturbed one's bytes and rankings, verify clean after each kill; {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
