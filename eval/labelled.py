"""What the files of labelled collections share: presets trained with seeds and measured on the test documents.

A run that is in the file of results already is not made again, so that a long table goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retrieve import Classifier
from retrieve.classify.compare import with_test
from retrieve.classify.measured import see, train_counts
from retrieve.corpora.labelled.records import LabelledData
from retrieve.measures.label_outcome import Outcome
from retrieve.measures.labels import document_measure, label_report
from retrieve.measures.significance import paired_interval

PRINTED = ("micro_f1", "macro_f1", "macro_f1_all", "RP@5", "nDCG@5", "accuracy", "ece", "log_loss", "brier")
SEEDS = 5
TOO_FEW = 1_000
"""Training documents under which a collection is a sample, from which nobody should read a figure."""


class Run(NamedTuple):
    """A preset with a seed; `words`: of each document the first so many, 0 for all; `settings` of the preset."""

    preset: str
    seed: int = 0
    words: int = 0
    settings: tuple[tuple[str, Any], ...] = ()
    regime: str = "frozen"

    @property
    def key(self) -> list[Any]:
        """What tells runs apart, as JSON has it."""
        return [self.preset, self.seed, self.words, [list(item) for item in self.settings], self.regime]


class Expected(NamedTuple):
    """A measure's published value, where that is from, and the least that ours must have."""

    measure: str
    published: float
    source: str
    least: float


def arguments(doc: str | None, collection: str) -> argparse.Namespace:
    """The folder, given or `collection` under $RETRIEVE_DATA, `json`, `seeds`, and `table`, a file of results."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help=f"default: $RETRIEVE_DATA/{collection}")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--table", type=Path, help="every preset, a line each, into this file; goes on where it was"
    )
    found = parser.parse_args()
    if found.folder is None:
        home = os.environ.get("RETRIEVE_DATA")
        if home is None:
            sys.exit(
                f"RETRIEVE_DATA is not set: it names the folder that holds {collection}; or give a folder"
            )
        found.folder = str(Path(home) / collection)
    return found


def outcome(data: LabelledData, run: Run) -> tuple[Outcome, dict[str, Any]]:
    """Train the run's preset, predict the test documents, and say what was chosen on the way."""
    start = time.perf_counter()
    if run.words:
        data = shortened(data, run.words)
    classifier = Classifier(
        run.preset,
        settings=dict(run.settings),
        regime=run.regime,
        task=data.task,
        labels=data.labels,
        seed=run.seed,
    ).fit(data.train, validation=data.validation or None)
    seen = see(classifier, data.test, train_counts(classifier, data.train)).outcome
    about = {
        "seconds": round(time.perf_counter() - start, 1),
        "validation": {name: classifier.report_["figures"].get(name) for name in PRINTED},
        "chosen": [tried for tried in classifier.report_["tried"] if tried.get("chosen")],
        "remarks": classifier.report_["remarks"],
    }
    return seen, about


def figures(data: LabelledData, seen: Outcome) -> dict[str, Any]:
    """The printed measures of an outcome, with what they count."""
    report = label_report(
        seen.targets, seen.probabilities, seen.chosen, seen.names, seen.train_counts, task=data.task
    )
    kept = (*PRINTED, "documents", "labels", "macro_labels", "ranked_documents")
    return {name: report[name] for name in kept if name in report}


def of_seeds(
    data: LabelledData, preset: str, seeds: int, settings: tuple[tuple[str, Any], ...] = ()
) -> tuple[dict[str, Any], Outcome]:
    """Means over seeds, each seed's figures under `seeds`, and the outcome of the first."""
    rows, first = [], None
    for seed in range(seeds):
        seen, about = outcome(data, Run(preset, seed, settings=settings))
        first = first or seen
        rows.append(figures(data, seen) | {"seed": seed} | about)
        print(f"{called(data)} {preset} seed {seed}: {shown(rows[-1])}", file=sys.stderr)
    assert first is not None
    numbers = [name for name in PRINTED if isinstance(rows[0].get(name), float)]
    means = {name: float(np.mean([row[name] for row in rows])) for name in numbers}
    return means | {"preset": preset, "seeds": rows}, first


def differences(
    better: Outcome, base: Outcome, measures: Sequence[str], *, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Each measure's difference on the same documents with its 95 % interval, by documents drawn again."""
    return {
        name: paired_interval(
            document_measure(better, name), document_measure(base, name), seed=seed
        )._asdict()
        for name in measures
    }


def table(data: LabelledData, runs: Iterable[Run], path: Path) -> list[dict[str, Any]]:
    """Make every run that `path` does not have yet, a line each; returns all of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    done = [json.loads(line) for line in lines]
    for run in runs:
        if any(row["run"] == run.key for row in done):
            continue
        seen, about = outcome(data, run)
        row = {"run": run.key, **figures(data, seen), **about}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        done.append(row)
        print(f"{called(data)} {run.preset} seed {run.seed}: {shown(row)}", file=sys.stderr)
    return done


def shortened(data: LabelledData, words: int) -> LabelledData:
    """The same documents with their first so many words, as white space parts them; structure beyond is left out."""

    def cut(text: str) -> int:
        at = 0
        for _ in range(words):
            while at < len(text) and text[at].isspace():
                at += 1
            if at == len(text):
                return at
            while at < len(text) and not text[at].isspace():
                at += 1
        return at

    def short(item: Any) -> Any:
        end = cut(item.document.text)
        inside = tuple((first, min(last, end)) for first, last in item.paragraphs if first < end)
        zones = {name: (first, min(last, end)) for name, (first, last) in item.zones.items() if first < end}
        document = replace(item.document, text=item.document.text[:end])
        return replace(item, document=document, paragraphs=inside, zones=zones)

    parts = ("train", "validation", "test")
    return replace(data, **{part: [short(item) for item in getattr(data, part)] for part in parts})


def called(data: LabelledData) -> str:
    """The collection's name: that of its folder."""
    return Path(data.name).name


def shown(row: Mapping[str, Any]) -> str:
    """The printed measures of a row in words."""
    return ", ".join(f"{name} {row[name]:.4f}" for name in PRINTED if isinstance(row.get(name), float))


def check(what: str, value: float, least: float) -> bool:
    """Print one line on standard error; True if the value is below the least that it must be."""
    missed = not value >= least
    print(f"  {'MISSED' if missed else 'ok':6}  {value:.4f}, wanted {least:.4f}  {what}", file=sys.stderr)
    return missed


def published(
    doc: str | None,
    collection: str,
    read: Callable[[str], LabelledData],
    expected: Mapping[str, Sequence[Expected]],
) -> int:
    """The whole of a file for a collection with published figures: by preset, ours beside them. The exit status.

    A collection of fewer than `TOO_FEW` training documents is a sample: it is read and counted, and no figure is made.
    """
    asked = arguments(doc, collection)
    data = with_test(read(asked.folder), 0)
    report: dict[str, Any] = {
        "dataset": called(data),
        "task": data.task,
        "labels": len(data.labels.names),
        **{part: len(getattr(data, part)) for part in ("train", "validation", "test")},
        "duplicates": len(data.duplicates),
    }
    missed = 0
    if len(data.train) < TOO_FEW:
        print(
            f"{data.name} is a sample of {len(data.train)} training documents: nothing is measured",
            file=sys.stderr,
        )
    else:
        report["presets"] = {}
        for preset, wanted in expected.items():
            means, _ = of_seeds(data, preset, asked.seeds)
            report["presets"][preset] = means
            for figure in wanted:
                what = f"{preset} {figure.measure} (published {figure.published}, {figure.source})"
                missed += check(what, means[figure.measure], figure.least)
    print(json.dumps(report, ensure_ascii=False, allow_nan=False, indent=None if asked.json else 2))
    return 1 if missed else 0
