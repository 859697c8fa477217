"""Flipped bits, zeros, cuts and missing files, two thousand of them, over every kind of file of several small indexes.

    python scripts/campaigns/bitrot.py --damages 2000 --seed 1 --json

After each one `verify` must name the file, and every question must be answered as before or refused by `IndexCorrupt`.
The indexes and the questions are those of the test suite (`tests/store_damage.py`); what is damaged is chosen kind by
kind, so that a manifest is as often as an array or the directory of arrays.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

from store_damage import KINDS, RECIPES, Case, Target, can_be_missing, damaged, faults


@click.command(help=__doc__)
@click.option("--damages", default=2_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def main(damages: int, seed: int, as_json: bool) -> None:
    """Run the campaign; ends with an error if anything was not as it must be."""
    logging.getLogger("retrieve").setLevel(logging.ERROR)
    chance = random.Random(seed)
    started = time.monotonic()
    done: Counter[str] = Counter()
    by_recipe: Counter[str] = Counter()
    questions = refused = unnamed = silent = 0
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        cases = [
            Case.make(
                Path(place) / f"{number}.index", name, 1_100 if "FAISS" in name or name == "trained" else 60
            )
            for number, name in enumerate(RECIPES)
        ]
        targets = {case.name: _by_kind(case) for case in cases}
        while sum(done.values()) < damages:
            case = chance.choice(cases)
            target = chance.choice(targets[case.name][chance.choice(sorted(targets[case.name]))])
            kind = chance.choice(KINDS)
            if kind == "missing" and not can_be_missing(target):
                continue
            with damaged(target, kind, chance) as changed:
                if not changed:  # zeros where there were zeros
                    continue
                count, problems = faults(case, target)
            done[kind] += 1
            by_recipe[case.name] += 1
            questions += len(case.questions)
            refused += count
            silent += count == 0
            unnamed += any(problem.startswith("verify") for problem in problems)
            wrong += [f"{case.name}, {target.kind}, {kind}: {problem}" for problem in problems]
        kinds = {case.name: len(targets[case.name]) for case in cases}
    result = {
        "command": f"python scripts/campaigns/bitrot.py --damages {damages} --seed {seed} --json",
        "damages": dict(sorted(done.items())),
        "recipes": dict(sorted(by_recipe.items())),
        "kinds_of_targets": kinds,
        "named_by_verify": sum(done.values()) - unnamed,
        "questions": questions,
        "refused": refused,
        "damages_without_a_refusal": silent,
        "faults": len(wrong),
        "first_faults": wrong[:20],
        "seconds": round(time.monotonic() - started),
    }
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print(*(f"{key}: {value}" for key, value in result.items()), sep="\n")
    if wrong:
        raise SystemExit(1)


def _by_kind(case: Case) -> dict[str, list[Target]]:
    found: defaultdict[str, list[Target]] = defaultdict(list)
    for target in case.targets:
        found[target.kind].append(target)
    return found


if __name__ == "__main__":
    main()
