"""WorldTree (2,205 and 496 science questions over 9,011 facts): retriever and reader trained together, beside pickers.

220 questions are held out of train and choose everything; dev is read once for each row. Rows: BM25 and cosine of the
best fact, their untrained sum, a conditional logit over ten retrieval scores fitted on train; and trainings with the
two-core defaults: without documents, with BM25's for good, by the ELBO alone, by the likelihood alone, annealed. Then
the annealed retriever alone, taught to be asked the question alone.
A row that is in the folder of work already, or in an earlier report (`--earlier`), is not made again; a training that
was interrupted goes on.
`RETRIEVE_DATA=… python eval/worldtree.py --json`
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from retrieve import Index
from retrieve.corpora.open import open_corpus
from retrieve.corpora.questions.open import read_questions
from retrieve.encoders.load import DEFAULT_MODEL, load_encoder
from retrieve.measures.significance import Interval, MeanMeasure, mean_interval, paired_interval
from retrieve.train.vod.answer import VodModel
from retrieve.train.vod.distil import distil
from retrieve.train.vod.learn import train_vod
from retrieve.train.vod.searched import retrieval_figures
from retrieve.types import Question

FloatArray = npt.NDArray[np.float64]

HELD_OUT = 220
TRAINED: dict[str, dict[str, Any]] = {
    "annealed": {},
    "fixed": {"retriever.source": "sampler", "objective.alpha": "constant"},
    "elbo": {"objective.alpha": "constant", "objective.last": 1.0},
    "zero": {"objective.alpha": "constant"},
    "no_documents": {"retriever.source": "none", "objective.alpha": "constant"},
}
SEEDS = {"annealed": 3, "fixed": 3}
"""Of the rows that the claim is about; one seed of the others."""
PUBLISHED = {"max_bm25": 0.62, "max_cosine": 0.609, "sum": 0.667, "logit": 0.73}
"""What these pickers came to when the data were put together, on dev."""


def main() -> int:
    """Exit status: 1 if annealed is not above the untrained sum and the same reader with fixed documents."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("RETRIEVE_DATA", ".")) / "worldtree"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument(
        "--work", type=Path, default=Path("worldtree.work"), help="rows made, trainings under way"
    )
    parser.add_argument(
        "--rows", nargs="*", choices=list(TRAINED), default=list(TRAINED), help="trained ones"
    )
    parser.add_argument("--seeds", type=int, help="of every trained row, in place of three and one")
    parser.add_argument("--earlier", type=Path, help="a report whose trainings are taken over")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    parts = split(asked.folder, asked.work)
    if asked.earlier is not None:
        take_over(json.loads(asked.earlier.read_text(encoding="utf-8")), asked.work)
    dev = parts["dev"]
    correct: dict[str, list[FloatArray]] = {}
    for name, probabilities in pickers(asked.folder, asked.work, parts).items():
        correct[name] = [right(probabilities, dev)]
    report: dict[str, Any] = {"dataset": asked.folder.name, "questions": len(dev), "trainings": {}}
    for seed in range(asked.seeds or max(SEEDS.values())):
        for name in asked.rows:
            if seed < (asked.seeds or SEEDS.get(name, 1)):
                row = trained(name, seed, asked.folder, asked.work, dev)
                correct.setdefault(name, []).append(np.array([*map(float, row["correct"])]))
                report["trainings"].setdefault(name, []).append(row)
    if (asked.work / "annealed-0").is_dir():
        report["retrieval"] = found_alone(asked.folder, asked.work, parts)
    for name, each in correct.items():
        report[name] = round(float(np.mean([values.mean() for values in each])), 4)
    report["published"] = PUBLISHED
    report["differences"] = differences(correct)
    report["machine"] = f"{platform.machine()}, {os.cpu_count()} processors"
    print(json.dumps(report, indent=None if asked.json else 1))
    told = [report["differences"].get(f"annealed - {name}") for name in ("sum", "fixed")]
    return 1 if any(each is not None and each["value"] <= 0 for each in told) else 0


def split(folder: Path, work: Path) -> dict[str, list[Question]]:
    """Train, the questions held out of it, and dev; the first two as files, which trainings read."""
    place = work / "questions"
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    held = set(np.random.default_rng(0).permutation(len(lines))[:HELD_OUT].tolist())
    place.mkdir(parents=True, exist_ok=True)
    for name, chosen in (("train", False), ("validation", True)):
        text = "".join(f"{line}\n" for number, line in enumerate(lines) if (number in held) == chosen)
        (place / f"{name}.jsonl").write_text(text, encoding="utf-8")
    data = read_questions(place, need_answers=True)
    dev = read_questions(folder / "dev.jsonl", need_answers=True)
    return {
        "train": data.train,
        "validation": data.validation,
        "dev": [*dev.train, *dev.validation, *dev.test],
    }


def trained(name: str, seed: int, folder: Path, work: Path, dev: Sequence[Question]) -> dict[str, Any]:
    """One training and its answers to dev, from the folder of work if they are there."""
    kept = work / f"{name}-{seed}.json"
    if not kept.is_file():
        config = {"data": {"corpus": str(folder), "questions": str(work / "questions")}}
        model = work / f"{name}-{seed}"
        report = train_vod(config, model, settings=TRAINED[name], seed=seed, force=True, progress=_say())
        answers = VodModel.load(model).answer(dev, support=0)
        values = [float(each.choice == each.question.answer) for each in answers]
        best = report["periods"][[each["period"] for each in report["periods"]].index(report["best"])]
        row = {
            "seed": seed,
            "accuracy": round(float(np.mean(values)), 4),
            "held_out": [
                {key: round(each[key], 4) for key in ("log_likelihood", "accuracy")}
                for each in report["periods"]
            ],
            "best": best["period"],
            "minutes": round(report["seconds"] / 60, 1),
            "correct": "".join(str(int(value)) for value in values),
        }
        kept.write_text(json.dumps(row), encoding="utf-8")
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def take_over(report: Mapping[str, Any], work: Path) -> None:
    """Write the rows of a report that have their answers into the folder of work, where they are not there."""
    for name, rows in report["trainings"].items():
        for row in rows:
            kept = work / f"{name}-{row['seed']}.json"
            if "correct" in row and not kept.exists():
                kept.write_text(json.dumps(row), encoding="utf-8")


def _say() -> Any:
    last = [""]

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage != last[0] or (total and done == total):
            last[0] = stage
            print(f"{stage} {done} of {total}", file=sys.stderr)

    return progress


def found_alone(folder: Path, work: Path, parts: Mapping[str, Sequence[Question]]) -> dict[str, Any]:
    """What dev's questions alone find of their central facts: by the untrained encoder, by the retriever of the first
    annealed model after its distillation, and, as the ceiling, after the same training on the facts themselves.
    """
    questions = [*parts["train"], *parts["validation"]]
    each: dict[str, dict[str, FloatArray]] = {}
    for name, target in (("untrained", None), ("distilled", "sampler"), ("facts", "facts")):
        encoder = DEFAULT_MODEL if target is None else str(work / name)
        if target is not None and not (work / name).is_dir():
            distil(work / "annealed-0", questions, work / name, target=target, progress=_say())
        place = work / f"{name}.index"
        index = (
            Index.open(place)
            if (place / "manifest.json").is_file()
            else Index.create(place, "flat", [f'dense.model="{encoder}"'])
        )
        if not len(index):
            index.add(open_corpus(folder))
        loaded = load_encoder(encoder)
        each[name] = retrieval_figures(
            lambda texts, loaded=loaded: loaded.encode_queries(texts).vectors, index, parts["dev"]
        )
        index.close()
    report: dict[str, Any] = {}
    for name, figures in each.items():
        report[name] = {key: round(float(np.nanmean(values)), 4) for key, values in figures.items()}
        if name != "untrained":
            gain = {
                key: paired_interval(MeanMeasure(values), MeanMeasure(each["untrained"][key]), seed=0)
                for key, values in figures.items()
            }
            report[name]["gain"] = {key: _rounded(interval) for key, interval in gain.items()}
    return report


def right(scores: Sequence[FloatArray], questions: Sequence[Question]) -> FloatArray:
    """(N,) 1 where the option with the highest score is the right one, the first of equal ones."""
    return np.array(
        [
            float(int(np.argmax(each)) == question.answer)
            for each, question in zip(scores, questions, strict=True)
        ]
    )


def pickers(folder: Path, work: Path, parts: Mapping[str, Sequence[Question]]) -> dict[str, list[FloatArray]]:
    """What needs no reader: scores (M,) of dev's options by each."""
    place = work / "pickers.index"
    index = Index.open(place) if (place / "manifest.json").is_file() else Index.create(place, "hybrid")
    if not len(index):
        index.add(open_corpus(folder))
    features = {
        name: [retrieval_scores(index, question) for question in parts[name]] for name in ("train", "dev")
    }
    index.close()
    weights = fit_logit(features["train"], parts["train"])
    dev = features["dev"]
    return {
        "max_bm25": [each[:, 0] for each in dev],
        "max_cosine": [each[:, 3] for each in dev],
        "sum": [_z(each[:, 0]) + _z(each[:, 3]) for each in dev],
        "logit": [each @ weights for each in dev],
    }


def retrieval_scores(index: Index, question: Question) -> FloatArray:
    """Ten scores of each option (M,10): of BM25 and of the cosine with [q; a] the highest and the means of 3 and 10,
    the highest of each with the option alone, the highest of what a fact has with both question and option (the less
    of the two BM25 scores), and the highest sum of BM25 and cosine.
    """
    both = [f"{question.text} {option}" for option in question.choices]
    bm25 = index.rank_passages(both, 10, using="bm25").scores
    cosine = index.rank_passages(both, 10, using="dense").scores
    alone = list(question.choices)
    option_bm25 = index.rank_passages(alone, 1, using="bm25").scores[:, 0]
    option_cosine = index.rank_passages(alone, 1, using="dense").scores[:, 0]
    ranked = index.rank_passages(both, 50, fusion="sum", weights={"bm25": 0.1, "dense": 1.0})
    of_question = index.score_passages([{"bm25": question.text}] * len(alone), ranked)["bm25"]
    of_option = index.score_passages([{"bm25": option} for option in alone], ranked)["bm25"]
    columns = [
        bm25[:, 0], bm25[:, :3].mean(axis=1), bm25.mean(axis=1),
        cosine[:, 0], cosine[:, :3].mean(axis=1), cosine.mean(axis=1),
        option_bm25, option_cosine, np.minimum(of_question, of_option).max(axis=1), ranked.scores[:, 0],
    ]  # fmt: skip
    return np.nan_to_num(np.stack(columns, axis=1).astype(np.float64), neginf=0.0)


def fit_logit(features: Sequence[FloatArray], questions: Sequence[Question]) -> FloatArray:
    """Weights (10,) of the conditional logit p(a) = softmax_j w·x_j, by maximum likelihood with a little shrinkage."""
    scale = np.concatenate(features).std(axis=0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        total, slope = 0.0, np.zeros_like(weights)
        for each, question in zip(features, questions, strict=True):
            scaled = each / scale
            scores = scaled @ weights
            logs = scores - scores.max()
            probabilities = np.exp(logs) / np.exp(logs).sum()
            total -= float(np.log(probabilities[question.answer]))
            slope -= scaled[question.answer] - probabilities @ scaled
        return total / len(questions) + 0.001 * float(weights @ weights), slope / len(
            questions
        ) + 0.002 * weights

    found = minimize(loss, np.zeros(features[0].shape[1]), jac=True, method="L-BFGS-B")
    weights: FloatArray = found.x / scale
    return weights


def _z(scores: FloatArray) -> FloatArray:
    spread = scores.std()
    return (scores - scores.mean()) / spread if spread else np.zeros_like(scores)


def differences(correct: Mapping[str, Sequence[FloatArray]]) -> dict[str, Any]:
    """Annealed less each other row, questions resampled; a row of several seeds is the mean of each question."""
    means = {name: np.mean(np.stack(list(each)), axis=0) for name, each in correct.items()}
    if "annealed" not in means:
        return {}
    return {
        f"annealed - {name}": _rounded(mean_interval(means["annealed"] - values, seed=0))
        for name, values in means.items()
        if name != "annealed"
    }


def _rounded(interval: Interval) -> dict[str, float]:
    return {key: round(value, 4) for key, value in interval._asdict().items()}


if __name__ == "__main__":
    sys.exit(main())
