"""What the files beside this one share: bench a collection by each recipe and hold the figures against their ranges.

Collections are looked for under $RETRIEVE_DATA; without it there is nothing to measure, and that is said.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from retrieve.bench import bench


class Expected(NamedTuple):
    """A measure's published value, where that is from, and the range in which ours must be."""

    measure: str
    published: float
    source: str
    least: float
    most: float = 1.0


def reproduce(
    collection: str, expected: Mapping[str, list[Expected]]
) -> tuple[dict[str, dict[str, Any]], int]:
    """Bench every recipe and print ours beside the published; returns the reports and how many are out of range."""
    folder = os.environ.get("RETRIEVE_DATA")
    if folder is None:
        sys.exit(f"RETRIEVE_DATA is not set: it names the folder that holds {collection}")
    reports = {}
    missed = 0
    for recipe, figures in expected.items():
        report = reports[recipe] = bench(
            Path(folder) / collection, recipe, measures=[figure.measure for figure in figures]
        )
        print(f"{collection} {recipe}: {report['not_indexed']:.1%} of the tokens not indexed")
        for figure in figures:
            missed += check(
                f"{figure.measure} (published {figure.published}, {figure.source})",
                report[figure.measure],
                figure.least,
                figure.most,
            )
    return reports, missed


def check(what: str, value: float, least: float, most: float = 1.0) -> bool:
    """Print one line; True if the value is out of its range."""
    missed = not least <= value <= most
    print(f"  {'MISSED' if missed else 'ok':6}  {value:.4f} in {least:.4f} … {most:.4f}  {what}")
    return missed
