"""Classification of long documents: training end to end against a padded grid, encoding once, and memory.

(a) Steps of end-to-end training over ECtHR cases, packed, against the same model over the 64 × 128 grid of LexGLUE
with masks: a paragraph a row, its first 128 tokens, so both see the same passages and have the same losses. Rounds
alternate. (b) Presets that cut alike are learned one after the other over frozen vectors: the second encodes nothing.
(c) A document of 100,000 words against one of 10,000: the greatest memory of a process that trains on it, and of one
that scores it.
`RETRIEVE_DATA=… python scripts/bench/classify.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retrieve.classify.aggregators.make import make_aggregator
from retrieve.classify.encoders import Encoders
from retrieve.classify.endtoend.learn import learn_end_to_end
from retrieve.classify.endtoend.model import DocumentNetwork, Passages, passages_of
from retrieve.classify.frozen import learn_frozen
from retrieve.classify.losses import document_losses
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.ragged import Ragged
from retrieve.classify.records import Context, Examples, Problem
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.load import DEFAULT_MODEL, find_model, load_encoder
from retrieve.encoders.torch.trainable import PassageModel
from retrieve.trainer.random_state import own_chance
from retrieve.types import Document, LabelledDocument, LabelSet

LAYERS = 2
ROWS, COLUMNS = 64, 128
LABELS = ("Article 6", "Article 8", "other")
STEPS, BATCH = 10, 2
LEAST_RATIO, MOST_DIFFERENCE, MOST_MEMORY = 3.0, 1e-4, 1.3
WORDS = (10_000, 100_000)


def cases() -> list[LabelledDocument]:
    """The ECtHR cases, a paragraph for each fact."""
    found = []
    for path in sorted((Path(os.environ["RETRIEVE_DATA"]) / "ecthr_sample").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            found.append(document(case["case_id"], case["facts"]))
    return found


def document(name: str, paragraphs: list[str]) -> LabelledDocument:
    """Paragraphs as one document."""
    ends = np.cumsum([len(paragraph) + 1 for paragraph in paragraphs])
    spans = [(int(end) - len(one) - 1, int(end) - 1) for one, end in zip(paragraphs, ends, strict=True)]
    text = "".join(f"{paragraph}\n" for paragraph in paragraphs)
    return LabelledDocument(Document(name, text), paragraphs=tuple(spans))


def long_document(words: int) -> LabelledDocument:
    """Paragraphs of the cases, over and over, until there are so many words."""
    pieces = [each.document.text[start:end] for each in cases() for start, end in each.paragraphs]
    chosen: list[str] = []
    count = 0
    for piece in cycle(pieces):
        chosen.append(piece)
        count += len(piece.split())
        if count >= words:
            return document(f"{words} words", chosen)
    raise AssertionError("a cycle has no end")


def small_model(root: Path) -> Path:
    """The first layers of MiniLM, without dropout."""
    from safetensors.torch import load_file, save_file

    source = find_model(DEFAULT_MODEL)
    shutil.copytree(source, root, ignore=shutil.ignore_patterns("*.safetensors"))
    weights = load_file(source / "model.safetensors")
    beyond = tuple(f"encoder.layer.{number}." for number in range(LAYERS, 64))
    kept = {name: values for name, values in weights.items() if not name.startswith(beyond)}
    save_file(kept, root / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((root / "config.json").read_text())
    config |= {"num_hidden_layers": LAYERS, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (root / "config.json").write_text(json.dumps(config))
    return root


def preset(model: Path, kind: str, **passages: Any) -> Preset:
    """A network over the small model."""
    values = {
        "name": kind,
        "description": "",
        "source": "",
        "passages": passages,
        "encoder": {"model": str(model), "backend": "torch", "precision": "fp32"},
        "aggregator": {"kind": kind},
        "training": {"epochs": 2},
        "end_to_end": {"epochs": 1, "batch": 1, "dropout": 0.0},
    }
    return load_preset(values)


# -- (a) --------------------------------------------------------------------------------------------------------


class Run:
    """One way to train: a network with an optimizer of its own, the seconds of its steps, and their losses."""

    def __init__(self, model: Path, *, recompute: bool = False) -> None:
        encoder = PassageModel(read_encoder_folder(model, None), pad=0, normalize=True, device="cpu")
        with own_chance(0):
            sections = preset(model, "transformer").aggregator
            head = make_aggregator(sections, encoder.dimensions, len(LABELS), task="multilabel", dropout=0.0)
        self.network = DocumentNetwork(encoder, head, budget=1 << 14, recompute=recompute).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=3e-5)
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def step(self, passages: Passages, targets: Tensor) -> None:
        """One step of the optimizer."""
        start = time.perf_counter()
        loss = document_losses(self.scores(passages), targets, task="multilabel").mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - start)
        self.losses.append(loss.item())

    def scores(self, passages: Passages) -> Tensor:
        """Scores (N,L)."""
        scores: Tensor = self.network(passages)
        return scores


class Grid(Run):
    """Every document as 64 rows of 128 tokens, as LexGLUE's code has it, padding encoded and masked."""

    def scores(self, passages: Passages) -> Tensor:
        """Scores (N,L)."""
        documents = len(passages.firsts) - 1
        ids, mask = torch.zeros((2, documents, ROWS, COLUMNS), dtype=torch.int64)
        for number in range(documents):
            own = passages.rows[passages.firsts[number] : passages.firsts[number + 1]]
            for place, row in enumerate(own):
                ids[number, place, : len(row.ids)] = torch.from_numpy(row.ids)
                mask[number, place, : len(row.ids)] = 1
        flat = ids.flatten(0, 1), mask.flatten(0, 1)
        vectors = self.network.encoder(*flat, torch.zeros_like(flat[0]))
        real = flat[1].any(dim=1)
        scores: Tensor = self.network.head(Ragged(vectors[real], torch.from_numpy(passages.firsts)))
        return scores


def training(model: Path) -> dict[str, Any]:
    """Documents a second of each way, their ratio and its spread, and the greatest difference of a loss."""
    tokens = load_encoder(str(model), limit=COLUMNS, backend="torch", precision="fp32")
    rows = [
        tokens.rows([each.document.text[start:end] for start, end in each.paragraphs[:ROWS]])
        for each in cases()
    ]
    chance = np.random.default_rng(0)
    chosen = chance.permutation(len(rows))[: STEPS * BATCH].reshape(STEPS, BATCH)
    packed, grid, again = Run(model), Grid(model), Run(model, recompute=True)
    for numbers in chosen:
        passages = passages_of([rows[number] for number in numbers])
        targets = torch.from_numpy(chance.random((BATCH, len(LABELS))) < 0.4).float()
        order = [packed, grid, again] if len(packed.losses) % 2 else [grid, packed, again]
        for run in order:
            run.step(passages, targets)
    real = sum(len(row.ids) for number in chosen.ravel() for row in rows[number])
    ratios = np.array(grid.seconds) / np.array(packed.seconds)
    return {
        "documents": STEPS * BATCH,
        "share_of_grid_that_is_real": round(real / (chosen.size * ROWS * COLUMNS), 3),
        "documents_per_second": {
            name: round(STEPS * BATCH / sum(run.seconds), 3)
            for name, run in (("packed", packed), ("packed, recomputed", again), ("grid", grid))
        },
        "ratio": round(sum(grid.seconds) / sum(packed.seconds), 2),
        "ratio_recomputed": round(sum(grid.seconds) / sum(again.seconds), 2),
        "spread_of_steps": [round(float(value), 2) for value in np.quantile(ratios, [0, 0.25, 0.5, 0.75, 1])],
        "loss_difference": max(
            abs(one - other)
            for run in (packed, again)
            for one, other in zip(run.losses, grid.losses, strict=True)
        ),
        "losses": [round(grid.losses[0], 4), round(grid.losses[-1], 4)],
    }


# -- (b) --------------------------------------------------------------------------------------------------------


def problem(documents: list[LabelledDocument]) -> Problem:
    """Made-up targets for some documents; a fourth is for validation."""
    targets = (np.random.default_rng(0).random((len(documents), len(LABELS))) < 0.4).astype(np.float32)
    first = len(documents) * 3 // 4
    return Problem(
        "multilabel",
        LabelSet(LABELS),
        Examples(documents[:first], targets[:first]),
        Examples(documents[first:], targets[first:]),
    )


def frozen(model: Path) -> dict[str, Any]:
    """Passages that each preset encoded, and those that came from the cache."""
    documents = cases()[:20]
    result = {}
    for kind in ("mean", "first-mean-max", "transformer"):
        made = Encoders(device="cpu")
        chosen = preset(model, kind, size=126, most=8)
        start = time.perf_counter()
        learn_frozen(problem(documents), chosen, Context(made, "cpu"))
        encoded, cached = next(iter(made._made.values())).encodings
        result[kind] = {
            "encoded": encoded,
            "cached": cached,
            "seconds": round(time.perf_counter() - start, 2),
        }
    return result


# -- (c) --------------------------------------------------------------------------------------------------------


def peaks(model: Path) -> dict[str, Any]:
    """VmHWM in MiB of a process for each length and work, and the ratio of the lengths.

    What training takes more for a longer document is mostly freed blocks that glibc keeps: with
    MALLOC_MMAP_THRESHOLD_=65536 it gives them back.
    """
    result: dict[str, Any] = {}
    for work in ("train", "score"):
        used = {}
        for words in WORDS:
            command = [sys.executable, __file__, "--peak", work, str(words), str(model)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            used[str(words)] = float(done.stdout)
        ratio = used[str(WORDS[1])] / used[str(WORDS[0])]
        result[work] = {words: round(mib, 1) for words, mib in used.items()} | {"ratio": round(ratio, 3)}
    return result


def peak(work: str, words: int, model: Path) -> None:
    """Train on a document of so many words, or score it, and print the most memory that this process had."""
    documents = cases()[:2]
    chosen = preset(model, "transformer", size=126, most=0)
    train = [documents[0], long_document(words) if work == "train" else documents[1]]
    targets = np.array([[1, 0, 0], [0, 1, 1]], dtype=np.float32)
    given = Problem("multilabel", LabelSet(LABELS), Examples(train, targets), Examples([], targets[:0]))
    fitted = learn_end_to_end(given, chosen, Context(Encoders(cache=False, device="cpu"), "cpu"))
    if work == "score":
        assert np.isfinite(fitted.model.scores([long_document(words)])).all()
    print(next(peak_lines()) / 1024)


def peak_lines() -> Iterator[int]:
    """The greatest resident memory of this process, in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            yield int(line.split()[1])


def main() -> None:
    """Measure, print, and fail where a figure is out of its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        peak(args.peak[0], int(args.peak[1]), Path(args.peak[2]))
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ["RETRIEVE_CACHE"] = f"{place}/cache"
        model = small_model(Path(place) / "model")
        report: dict[str, Any] = {
            "machine": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "layers": LAYERS,
            "training": training(model),
            "frozen": frozen(model),
            "peak_mib": peaks(model),
        }
    first, *others = report["frozen"].values()
    report["good"] = (
        report["training"]["ratio"] >= LEAST_RATIO
        and report["training"]["loss_difference"] <= MOST_DIFFERENCE
        and first["cached"] == 0
        and all(other["encoded"] == 0 and other["cached"] == first["encoded"] for other in others)
        and all(used["ratio"] <= MOST_MEMORY for used in report["peak_mib"].values())
    )
    print(json.dumps(report, indent=None if args.json else 2))
    raise SystemExit(not report["good"])


if __name__ == "__main__":
    main()
