"""VOD on a toy that can be enumerated: how near training with eight of 64 documents comes to the maximum likelihood.

A question x and a document y have four features each, f_θ(d,q) = ⟨x, W y⟩, and the reader says p(a|d) = softmax(R y) of
five answers. W, R and the answers of 48 questions are drawn from that very model, and training starts near 0. The most
that can be had, LL*, is that of the exact log-likelihood maximised by L-BFGS from the same start; a gap is
(LL* − LL) / (LL* − LL_0). With priority sampling's weights and α annealed from 1 to 0 it is to be at most .005; with
equal weights, and with α = 1 throughout, it is to be above. Every seed is an instance, a start and draws of its own.
About a minute.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from retrieve.report.drawing import Drawing, Line, Word, line_chart
from retrieve.report.records import LineChart, Series
from retrieve.train.vod.objective.bounds import exact_bound
from retrieve.train.vod.objective.estimator import estimate
from retrieve.train.vod.objective.sampling import priority_sample, uniforms

DOCUMENTS, QUESTIONS, FEATURES, ANSWERS = 64, 48, 4, 5
K = 8
STEPS = 1_000
PERIODS = 4
RATE = 0.05
GOAL = 0.005
SEEDS = (0, 1, 2, 3, 4)
SHOWN = 20
"""A point of the curves every so many steps."""

Schedule = Callable[[float], float]


class Model(NamedTuple):
    """W (D,D) of the retriever and R (A,D) of the reader."""

    retriever: Tensor
    reader: Tensor


class Toy(NamedTuple):
    """Features of questions (Q,D) and documents (N,D), the right answers (Q,), and where training starts."""

    questions: Tensor
    documents: Tensor
    answers: Tensor
    start: Model

    def scores(self, model: Model) -> Tensor:
        """f_θ (Q,N)."""
        return self.questions @ model.retriever @ self.documents.T

    def log_answers(self, model: Model) -> Tensor:
        """log p(a|d) of the right answers (Q,N)."""
        return torch.log_softmax(self.documents @ model.reader.T, dim=1).T[self.answers]

    def log_likelihood(self, model: Model) -> Tensor:
        """Mean over the questions, exact."""
        scores = self.scores(model)
        return exact_bound(scores, reader=self.log_answers(model), sampler_scores=scores, alpha=0.0).mean()


class Point(NamedTuple):
    """After so many steps: α, the mean of L̂_α over the questions, and the exact log-likelihood."""

    step: int
    alpha: float
    estimated: float
    exact: float


def drawn(seed: int) -> Toy:
    """An instance: features and true weights from N(0,1), a document from p(d|q), an answer from p(a|d)."""
    draws = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=draws)

    questions, documents = normal(QUESTIONS, FEATURES), normal(DOCUMENTS, FEATURES)
    truth = Model(normal(FEATURES, FEATURES), normal(ANSWERS, FEATURES))
    prior = torch.softmax(questions @ truth.retriever @ documents.T, dim=1)
    found = torch.multinomial(prior, 1, generator=draws).squeeze(1)
    said = torch.softmax(documents[found] @ truth.reader.T, dim=1)
    answers = torch.multinomial(said, 1, generator=draws).squeeze(1)
    start = Model(0.1 * normal(FEATURES, FEATURES), 0.1 * normal(ANSWERS, FEATURES))
    return Toy(questions, documents, answers, start)


def copied(model: Model) -> Model:
    """A model of its own to train."""
    return Model(*(each.clone().requires_grad_() for each in model))


def most_likely(toy: Toy) -> float:
    """LL*: the exact log-likelihood by L-BFGS from the start, to convergence."""
    model = copied(toy.start)
    optimiser = torch.optim.LBFGS(
        model,
        max_iter=5_000,
        max_eval=10_000,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -toy.log_likelihood(model)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(toy.log_likelihood(model))


def annealed(done: float) -> float:
    """α over the share of the first period that is done, a cosine from 1 to 0; 0 afterwards."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done * PERIODS)))


def always_one(done: float) -> float:
    """α = 1: the ELBO throughout."""
    return 1.0


def train(
    toy: Toy, alpha: Schedule, *, seed: int, steps: int = STEPS, weighted: bool = True
) -> list[Point]:
    """Adam on the mean of L̂_α over all questions, the rate a cosine to 0.

    The sampler's scores are those of the model at the beginning of each period. `weighted` False: s = 1/K.
    """
    model = copied(toy.start)
    optimiser = torch.optim.Adam(model, lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    curve = []
    for step in range(steps):
        if step % math.ceil(steps / PERIODS) == 0:
            cached = toy.scores(model).detach()
            log_r = torch.log_softmax(cached, dim=1).numpy()
        given = [uniforms(seed, step, f"q{number}", (DOCUMENTS,)) for number in range(QUESTIONS)]
        sample = priority_sample(log_r, K, uniforms=np.stack(given))
        indices, log_weights = torch.from_numpy(sample.indices), torch.from_numpy(sample.log_weights)
        now = alpha(step / steps)
        value = estimate(
            toy.scores(model).gather(1, indices),
            reader=toy.log_answers(model).gather(1, indices),
            sampler_scores=cached.gather(1, indices),
            log_weights=log_weights if weighted else torch.zeros_like(log_weights),
            alpha=now,
        ).mean()
        if step % SHOWN == 0:
            curve.append(Point(step, now, float(value.detach()), float(toy.log_likelihood(model).detach())))
        optimiser.zero_grad()
        (-value).backward()
        optimiser.step()
        schedule.step()
    curve.append(Point(steps, now, float(value.detach()), float(toy.log_likelihood(model).detach())))
    return curve


def runs(seed: int, *, steps: int = STEPS) -> dict[str, Any]:
    """The three trainings of one seed: LL_0, LL*, and of each its curve and its gap."""
    toy = drawn(seed)
    least, most = float(toy.log_likelihood(toy.start)), most_likely(toy)
    curves = {
        "annealed": train(toy, annealed, seed=seed, steps=steps),
        "equal weights": train(toy, annealed, seed=seed, steps=steps, weighted=False),
        "alpha 1": train(toy, always_one, seed=seed, steps=steps),
    }
    gaps = {name: (most - curve[-1].exact) / (most - least) for name, curve in curves.items()}
    return {"seed": seed, "start": least, "most": most, "gaps": gaps, "curves": curves}


COLOURS = ("#1f6fb4", "#c8501e", "#2a8a57", "#8a4fb0")


def as_svg(drawing: Drawing, names: Sequence[str]) -> str:
    """A chart as a picture by itself, with the curves' names over it."""
    top = 16.0 * len(names)
    size = f"{drawing.width:g} {drawing.height + top:g}"
    colours = {"grid": "#d9dee3", "axis": "#1c2126"} | {f"s{n}": colour for n, colour in enumerate(COLOURS)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(drawing.said)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, (name, colour) in enumerate(zip(names, COLOURS, strict=True)):
        lines.append(f'<text x="70" y="{16 * number + 15}" fill="{colour}">— {escape(name)}</text>')
    lines.append(f'<g transform="translate(0 {top:g})">')
    for shape in drawing.shapes:
        if isinstance(shape, Line):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            lines.append(f'<polyline fill="none" stroke="{colours[shape.style]}" points="{points}"/>')
        elif isinstance(shape, Word):
            turned = f' transform="rotate(-90 {shape.x:.1f} {shape.y:.1f})"' if shape.turned else ""
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" text-anchor="{shape.anchor}"{turned}'
            lines.append(f"<text {place}>{escape(shape.text)}</text>")
    return "\n".join([*lines, "</g>", "</svg>", ""])


def picture(found: dict[str, Any]) -> str:
    """The estimate beside the exact log-likelihood while it is annealed, and the two that do not get there."""
    curves = found["curves"]
    series = (
        Series("annealed: exact log-likelihood", tuple((p.step, p.exact) for p in curves["annealed"])),
        Series("annealed: its estimate", tuple((p.step, p.estimated) for p in curves["annealed"])),
        Series("equal weights: exact", tuple((p.step, p.exact) for p in curves["equal weights"])),
        Series("α = 1 throughout: exact", tuple((p.step, p.exact) for p in curves["alpha 1"])),
    )
    caption = f"VOD on a toy, K = {K} of {DOCUMENTS}; LL* = {found['most']:.4f}"
    chart = LineChart(caption, "step", "log-likelihood of a question", series)
    return as_svg(line_chart(chart), [line.name for line in series])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--picture", type=Path, help="write the first seed's curves there, as SVG")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = [runs(seed) for seed in SEEDS]
    names = list(found[0]["gaps"])
    if arguments.picture:
        arguments.picture.write_text(picture(found[0]), encoding="utf-8")
    if arguments.json:
        report = {
            "command": "python eval/vod_toy.py --json --picture eval/results/vod-toy.svg",
            "instance": __doc__.partition("\n\n")[2].strip(),
            "goal": GOAL,
            "gaps": {name: found[0]["gaps"][name] for name in names},
            "spread": {name: spread([run["gaps"][name] for run in found]) for name in names},
            "seeds": [{name: run[name] for name in ("seed", "start", "most", "gaps")} for run in found],
        }
        print(json.dumps(rounded(report), indent=2, ensure_ascii=False))
    else:
        print(f"{'seed':14}" + "".join(f"{run['seed']:9}" for run in found))
        for name in names:
            print(f"{name:14}" + "".join(f"{run['gaps'][name]:9.5f}" for run in found))
    kept = [(run["gaps"][name] <= GOAL) == (name == "annealed") for run in found for name in names]
    return 0 if all(kept) else 1


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, and both ends."""
    return {"mean": sum(values) / len(values), "least": min(values), "most": max(values)}


def rounded(value: Any) -> Any:
    """Six places, which other processors share."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
