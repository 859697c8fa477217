"""Published figures held against ours: what the scripts in `eval/` share.

A script says where its collection is, by which recipes it is searched, and which figures others have published of it,
each with its source and the range in which ours must be; its exit status is 1 where one is not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from retrieve.bench import bench


class Expected(NamedTuple):
    """A measure's published value, where that is from, and the range in which ours must be."""

    measure: str
    published: float
    source: str
    least: float
    most: float = 1.0


class Check(NamedTuple):
    """A value of ours that must be in a range, whoever published what."""

    what: str
    value: float
    least: float
    most: float = 1.0

    @property
    def good(self) -> bool:
        """Whether it is."""
        return self.least <= self.value <= self.most


@dataclass(frozen=True)
class Case:
    """One row: a recipe with overrides and options of its searches, a split, and what is expected of it."""

    recipe: str
    expected: Sequence[Expected]
    overrides: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    split: str = "test"
    name: str = ""

    @property
    def label(self) -> str:
        """How it is printed."""
        return self.name or self.recipe


Reports = Mapping[str, Mapping[str, Any]]


def near(measure: str, published: float, source: str, tolerance: float) -> Expected:
    """A figure that ours must be near."""
    return Expected(measure, published, source, published - tolerance, published + tolerance)


def reproduce(
    description: str | None,
    collection: str,
    cases: Sequence[Case],
    further: Callable[[Reports], Sequence[Check]] = lambda _: (),
    *,
    arguments: Sequence[str] | None = None,
) -> int:
    """Bench every case and print ours beside the published; returns the exit status.

    `collection`: a folder's name under $RETRIEVE_DATA, unless the command line names a folder or `ir_datasets:NAME`.
    `further` makes checks of the reports, which are by the cases' labels. `--json` prints one object.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "dataset", nargs="?", help=f"a folder, or ir_datasets:NAME (default: $RETRIEVE_DATA/{collection})"
    )
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    asked = parser.parse_args(arguments)
    dataset = asked.dataset or _under_data(collection)
    reports: dict[str, dict[str, Any]] = {}
    checks: dict[str, list[Check]] = {}
    for case in cases:
        report = reports[case.label] = bench(
            dataset,
            case.recipe,
            case.overrides,
            split=case.split,
            measures=[expected.measure for expected in case.expected],
            **case.options,
        )
        report["folder"] = dataset
        checks[case.label] = [
            Check(
                f"{expected.measure} (published {expected.published}, {expected.source})",
                report[expected.measure],
                expected.least,
                expected.most,
            )
            for expected in case.expected
        ]
        if not asked.json:
            print(f"{report['dataset']} {case.label}: {report['not_indexed']:.1%} of the tokens not indexed")
            print_checks(checks[case.label])
    others = list(further(reports))
    if not asked.json:
        print_checks(others)
    missed = [check.what for made in (*checks.values(), others) for check in made if not check.good]
    if asked.json:
        print(json.dumps(_as_object(str(dataset), cases, reports, others, missed)))
    return 1 if missed else 0


def _under_data(collection: str) -> str:
    folder = os.environ.get("RETRIEVE_DATA")
    if folder is None:
        sys.exit(f"name the folder of {collection}, or set RETRIEVE_DATA to the folder that holds it")
    return os.path.join(folder, collection)  # noqa: PTH118 - a name that `bench` takes as it is


def print_checks(checks: Sequence[Check]) -> None:
    """A line for each: whether it is in its range, the value, the range, and what it is."""
    for check in checks:
        state = "ok" if check.good else "MISSED"
        print(f"  {state:6}  {check.value:.4f} in {check.least:.4f} … {check.most:.4f}  {check.what}")


def _as_object(
    dataset: str, cases: Sequence[Case], reports: Reports, others: Sequence[Check], missed: Sequence[str]
) -> dict[str, Any]:
    rows = {}
    for case in cases:
        report = reports[case.label]
        rows[case.label] = {
            **{expected.measure: report[expected.measure] for expected in case.expected},
            "queries": report["queries"],
            "recipe": case.recipe,
            "overrides": list(case.overrides),
            "options": dict(case.options),
            "split": case.split,
            "seconds": report["seconds"],
            "expected": [expected._asdict() for expected in case.expected],
        }
    checks = [{**check._asdict(), "good": check.good} for check in others]
    return {"dataset": dataset, "cases": rows, "checks": checks, "missed": list(missed)}
