"""What VOD adds to a step beside its encoders, and what a refresh takes, on WorldTree's questions and 9,011 facts.

Sampling, gathering and the objective with its diagnostics, forward and backward, as a share of a whole step: for a
cross-encoder reader (K = 8 of P = 100) and for the two-core defaults. Then the corpus is encoded by a checkpoint with
other weights, and the lists of 256 questions are ranked.
`RETRIEVE_DATA=… python scripts/bench/vod.py --json`
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retrieve.corpora.questions.open import read_questions
from retrieve.encoders.load import DEFAULT_MODEL
from retrieve.train.vod.candidates import How, build_candidates, encoded
from retrieve.train.vod.learn import Parts, make_parts
from retrieve.train.vod.objective.choice import Choices, choice_diagnostics, choice_estimate
from retrieve.train.vod.settings import load_settings

MOST_SHARE = 0.05
MOST_REFRESH = 60.0
QUESTIONS = 64


def main() -> None:
    """Measure, print, and fail where a share or the refresh is out of its limit."""
    logging.disable(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    data = Path(os.environ["RETRIEVE_DATA"]) / "worldtree"
    report: dict[str, Any] = {
        "command": "python scripts/bench/vod.py --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
    questions = read_questions(data / "train.jsonl").train[:QUESTIONS]
    config = {"data": {"corpus": str(data), "questions": str(data)}}
    with tempfile.TemporaryDirectory() as place:
        for name, reader in (
            ("two-core", {}),
            ("cross-encoder", {"kind": "cross", "encoder": DEFAULT_MODEL}),
        ):
            settings = load_settings(config | {"reader": reader})
            parts = make_parts(settings, questions, questions[:8], Path(place), seed=0, device="cpu")
            report[name] = step(parts, asked.rounds)
        report["refresh"] = refresh(parts)
    limits = (
        (report["cross-encoder"]["share"], MOST_SHARE),
        (report["refresh"]["encode_seconds"], MOST_REFRESH),
    )
    report["good"] = all(found <= most for found, most in limits)
    print(json.dumps(report, indent=None if asked.json else 2))
    raise SystemExit(not report["good"])


def step(parts: Parts, rounds: int) -> dict[str, float]:
    """Medians of seconds: of a whole step, of sampling and gathering, of the objective; and the share of the two."""
    network, material, collection = parts.network, parts.train, parts.collection
    assert collection is not None
    vectors = encoded(network.phi, parts.texts, material.asked, parts.settings.training.budget)
    how = How(parts.settings.sampler.p, network.phi.scale, 5.0)
    material.use(build_candidates(collection.index, material.asked, vectors, how, record={}))
    network.train()
    taken: dict[str, list[float]] = {"step": [], "gathering": [], "objective": []}
    for number in range(rounds + 1):
        numbers = (
            np.random.default_rng(number).permutation(len(material))[: parts.settings.training.batch].tolist()
        )

        def gather(numbers: list[int] = numbers, number: int = number) -> Any:
            return material.batch(numbers, step=number, texts=network.reads_texts, alpha=0.5)

        gathering, batch = timed(gather)
        whole, _ = timed(lambda batch=batch: network(batch).bounds.sum().backward())
        with torch.no_grad():
            scored = network.scored(batch, fresh=False)
        objective, _ = timed(lambda batch=batch, scored=scored: bound(batch, scored))
        if number:  # the first warms up
            for name, seconds in (
                ("step", gathering + whole),
                ("gathering", gathering),
                ("objective", objective),
            ):
                taken[name].append(seconds)
    found = {f"{name}_seconds": round(statistics.median(values), 4) for name, values in taken.items()}
    shares = [
        (gathering + objective) / whole
        for whole, gathering, objective in zip(
            taken["step"], taken["gathering"], taken["objective"], strict=True
        )
    ]
    return found | {"share": round(statistics.median(shares), 4), "most": round(max(shares), 4)}


def bound(batch: Any, scored: Any) -> None:
    """What a step computes of its scores, and the backward pass to them."""
    f, g = (values.clone().requires_grad_() for values in scored)
    choices = Choices(f, batch.sampler, g, batch.log_weights)
    choice_estimate(choices, batch.answers, alpha=0.5).sum().backward()
    choice_diagnostics(choices, batch.answers, alpha=0.5)
    with torch.no_grad():
        for option in range(f.shape[1]):
            choice_estimate(choices, torch.full_like(batch.answers, option), alpha=0.0)


def refresh(parts: Parts) -> dict[str, float]:
    """Seconds to encode and index the corpus by other weights, and to rank the lists of the questions."""
    network, collection, material = parts.network, parts.collection, parts.train
    assert collection is not None
    with torch.no_grad():
        for weights in network.phi.queries.parameters():
            weights.mul_(1.001)
    encode, _ = timed(lambda: collection.follow(network.phi, parts.texts))
    how = How(parts.settings.sampler.p, network.phi.scale, 5.0)

    def rank() -> Any:
        vectors = encoded(network.phi, parts.texts, material.asked, parts.settings.training.budget)
        return build_candidates(collection.index, material.asked, vectors, how, record={})

    ranking, _ = timed(rank)
    return {
        "passages": collection.index.info()["passages"],
        "encode_seconds": round(encode, 1),
        "lists": len(material.asked),
        "rank_seconds": round(ranking, 1),
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    main()
