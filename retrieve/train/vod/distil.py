"""Distillation of a trained model into an encoder for search: the question alone finds what question and answer found.

One tower is to serve a normal index, which encodes documents by the folder that encodes questions. So the corpus is
encoded anew by the tower at every epoch's end: those vectors are what the next epoch learns against, and held-out
questions judge the tower by the index that it would make.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save
from transformers import TrainerCallback

from retrieve.api import Index
from retrieve.encoders.tokens import TokenRow
from retrieve.errors import TrainingError, UsageError
from retrieve.files import read_array, remove_folder, replaced_folder, write_array, write_file
from retrieve.train.vod.asked import asked_of
from retrieve.train.vod.candidates import How, build_candidates, encoded
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.folder import Opened, open_model
from retrieve.train.vod.material import check_questions
from retrieve.train.vod.objective.distillation import uniform_target
from retrieve.train.vod.refresh import asked_digest
from retrieve.train.vod.retriever import Retriever, Texts, digest_of
from retrieve.train.vod.searched import Corpus, Float32s, retrieval_figures
from retrieve.train.vod.settings import TrainingSection
from retrieve.train.vod.student import Lessons, Student, StudentTrainer
from retrieve.train.vod.trainer import arguments_of
from retrieve.trainer.callbacks import Steps
from retrieve.trainer.checkpoints import alone_in, begin, last_checkpoint
from retrieve.trainer.model_folder import ModelKind
from retrieve.trainer.random_state import on_device, own_chance
from retrieve.types import Progress, Question

Target = Literal["sampler", "facts"]
Report = dict[str, Any]

KIND = ModelKind("distilled encoder", "distilled.json", 1)
_WEIGHTS, _VECTORS, _MEASURED = "weights.safetensors", "vectors.npy", "measured.json"
_HITS = 20


class Epochs(TrainerCallback):
    """Between epochs: the corpus encoded by the tower as it is, and the tower judged. `measured`: by epoch, from 0.

    What an epoch began with is kept under `folder`, so that one that is interrupted goes on with it.
    """

    def __init__(
        self,
        folder: Path,
        student: Student,
        corpus: Corpus,
        documents: list[TokenRow],
        held_out: Lessons,
        texts: Texts,
        *,
        stored: bool,
        period: int,
        progress: Progress | None,
    ) -> None:
        """`stored`: the corpus has the vectors that the tower gives at the beginning."""
        self._folder, self._student, self._corpus, self._documents = folder, student, corpus, documents
        self._held_out, self._texts, self._stored = held_out, texts, stored
        self._period, self._progress = period, progress
        self.trainer: StudentTrainer | None = None
        known = folder / _MEASURED
        self.measured: list[dict[str, Any]] = json.loads(known.read_text("utf-8")) if known.is_file() else []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An epoch begins, or goes on after a resume."""
        assert self.trainer is not None
        epoch, within = divmod(state.global_step, self._period)
        if within == 0:
            self.begin(epoch)
        elif self.trainer.corpus is None:
            self._use(read_array(self._folder / f"epoch-{epoch}" / _VECTORS).astype(np.float32))

    def begin(self, epoch: int) -> None:
        """Encode, judge, and keep what came out."""
        place = self._folder / f"epoch-{epoch}"
        if not place.is_dir():
            with replaced_folder(place) as building:
                write_array(building / _VECTORS, self._encode(epoch))
        vectors = read_array(place / _VECTORS).astype(np.float32)
        self._use(vectors)
        self._judge(epoch, replace(self._corpus, vectors=vectors))
        remove_folder(self._folder / f"epoch-{epoch - 1}")

    def _encode(self, epoch: int) -> npt.NDArray[np.float16]:
        if epoch == 0 and self._stored:
            return self._corpus.vectors.astype(np.float16)
        parts = []
        for start in range(0, len(self._documents), 2048):
            some = self._student.encoded(self._documents[start : start + 2048])
            parts.append(some.astype(np.float16))  # as an index keeps them
            if self._progress is not None:
                done = min(start + 2048, len(self._documents))
                self._progress(f"epoch {epoch}: passages encoded", done, len(self._documents))
        return np.concatenate(parts)

    def _use(self, vectors: Float32s) -> None:
        assert self.trainer is not None
        self.trainer.corpus = torch.from_numpy(vectors).to(self._student.retriever.queries.device)

    def _judge(self, epoch: int, corpus: Corpus) -> None:
        """The held-out questions by the tower and the corpus that it encoded."""
        own = self._held_out
        scale = self._student.retriever.scale
        vectors = torch.from_numpy(self._student.encoded(own.rows))
        losses = own.divergences(scale * vectors @ torch.from_numpy(corpus.vectors).T, list(range(len(own))))
        record: dict[str, Any] = {"epoch": epoch, "validation_loss": float(losses.mean()), "scale": scale}
        record |= figures(self._student, self._texts, corpus, own.questions)
        self.measured = [each for each in self.measured if each["epoch"] < epoch] + [record]
        if self.best == epoch:
            weights = {
                name: value.detach().cpu().contiguous() for name, value in self._student.state_dict().items()
            }
            write_file(self._folder / _WEIGHTS, save(weights))
        write_file(self._folder / _MEASURED, json.dumps(self.measured, indent=1).encode())

    @property
    def best(self) -> int:
        """The epoch whose beginning has the least validation loss; 0 is the tower that was there."""
        return int(min(self.measured, key=lambda each: (each["validation_loss"], each["epoch"]))["epoch"])


def figures(
    student: Student, texts: Texts, corpus: Corpus, questions: Sequence[Question]
) -> dict[str, float | None]:
    """Means of `retrieval_figures`, None where no question says what helps."""
    found = retrieval_figures(
        lambda asked: student.encoded(texts.questions(list(asked))), corpus, questions, k=_HITS
    )
    return {
        name: float(np.nanmean(values)) if np.isfinite(values).any() else None
        for name, values in found.items()
    }


def distil(  # noqa: PLR0913 - one call does the whole of it
    model: Opened | str | Path,
    questions: Sequence[Question],
    out: str | Path,
    *,
    epochs: int = 3,
    lr: float = 5e-5,
    batch: int = 16,
    seed: int = 0,
    target: Target = "sampler",
    validation: float = 0.1,
    work: str | Path | None = None,
    device: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Train the model's question tower for search by the question alone, and write it to `out`, a folder of
    sentence-transformers that any index takes (`--encoder`), whole or not at all.

    The tower learns KL(r ‖ p): p over the whole corpus, r by `target` the model's sampler of question and right answer
    on its P best passages, or the passages of the documents known to help, all alike. The share `validation` of the
    questions, chosen by the seed, judges the tower between epochs with documents and questions encoded by it; the best
    one by the loss is kept, which may be that of the beginning. `work` takes checkpoints, and an interrupted training
    goes on from there bit for bit (default: `<out>.training`, removed at the end). The report has `epochs`
    (`validation_loss`, `hit@20`, `RR`, `scale`, and the mean `loss` of each), `best` and `seconds`.

    Raises `UsageError` for a model without an index or above 100,000 passages, `InputError` for questions without
    options or answers, `TrainingError` for too few questions, a loss that is no number or another training's folder.
    """
    if target not in get_args(Target):
        raise UsageError(f"target is {target!r}: wanted one of {', '.join(get_args(Target))}")
    place = Path(out)
    KIND.check_place(place, force=force)
    opened = model if isinstance(model, Opened) else open_model(Path(model), device=device)
    if opened.index is None:
        raise UsageError("the model retrieves nothing: distil one that was trained with documents")
    folder = Path(work) if work is not None else place.with_name(f"{place.name}.training")
    start = time.perf_counter()
    train, held_out = split_questions(questions, target=target, share=validation, seed=seed)
    retriever = Retriever(
        copy.deepcopy(opened.network.retriever.queries), None, scale=opened.network.retriever.scale
    )
    student = Student(retriever.requires_grad_(True).to(retriever.queries.device), _budget(opened))
    settings = {"epochs": epochs, "lr": lr, "batch": batch, "target": target, "validation": validation}
    record = settings | {
        "seed": seed,
        "model": digest_of(opened.network.retriever),
        "sampler": sampler_of(opened),
        "index": opened.index.layout,
        "questions": asked_digest(asked_of([*train, *held_out], "shared", str.split, knows_answer=True)),
    }
    with own_chance(seed), on_device(retriever.queries.device), alone_in(folder):
        begin(folder, record)
        report = _trained(opened, student, (train, held_out), folder, settings, seed, progress)
        report |= {"seed": seed, "seconds": round(time.perf_counter() - start, 1)}
        KIND.write(place, report, partial(_fill, retriever, opened.texts), force=force)
    if work is None:
        remove_folder(folder)
    return report


def split_questions(
    questions: Sequence[Question], *, target: Target, share: float, seed: int
) -> tuple[list[Question], list[Question]]:
    """Those to train on, and a share of them held out. Raises `TrainingError` where one of the two has none."""
    usable = [question for question in questions if target == "sampler" or question.facts]
    if target == "sampler":
        check_questions(usable, "the questions", answers=True)
    held = round(share * len(usable))
    if not 0 < held < len(usable):
        raise TrainingError(
            f"{len(usable)} questions with {'facts' if target == 'facts' else 'answers'}, a share of {share:g} of them "
            "held out: wanted at least one to train on and one held out; give more questions, or another validation"
        )
    order = np.random.default_rng([seed, 0xD1]).permutation(len(usable))
    return [usable[at] for at in np.sort(order[held:])], [usable[at] for at in np.sort(order[:held])]


def _trained(
    opened: Opened,
    student: Student,
    questions: tuple[list[Question], list[Question]],
    folder: Path,
    settings: dict[str, Any],
    seed: int,
    progress: Progress | None,
) -> Report:
    """Train in place, put the best epoch's weights into the student; the report."""
    index = opened.index
    assert index is not None
    corpus = Corpus.of(index)
    train, held_out = (
        _lessons(opened, index, corpus, own, settings["target"], progress) for own in questions
    )
    period = math.ceil(len(train) / settings["batch"])
    documents = opened.texts.documents(corpus.texts(index))
    between = Epochs(
        folder,
        student,
        corpus,
        documents,
        held_out,
        opened.texts,
        stored=index.fingerprint == opened.texts.model.fingerprint,
        period=period,
        progress=progress,
    )
    training = TrainingSection(batch=settings["batch"], lr=settings["lr"])
    device = student.retriever.queries.device
    steps = settings["epochs"] * period
    trainer = StudentTrainer(
        train,
        lr=settings["lr"],
        model=student,
        args=arguments_of(training, folder / "steps", steps=steps, seed=seed, device=device),
        callbacks=[between, Steps(progress, often=True, period=period)],
    )
    between.trainer = trainer
    last = last_checkpoint(folder / "steps")
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    between.begin(settings["epochs"])
    student.load_state_dict(load_file(folder / _WEIGHTS))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    for record in between.measured[1:]:
        own = losses[(record["epoch"] - 1) * period : record["epoch"] * period]
        record["loss"] = sum(own) / len(own)
    return {
        "settings": settings,
        "questions": len(train),
        "held_out": len(held_out),
        "passages": len(corpus.vectors),
        "epochs": between.measured,
        "best": between.best,
        "scale": student.retriever.scale,
    }


def _lessons(
    opened: Opened,
    index: Index,
    corpus: Corpus,
    questions: list[Question],
    target: Target,
    progress: Progress | None,
) -> Lessons:
    """r of the questions."""
    rows = opened.texts.questions([question.text for question in questions])
    if target == "facts":
        wanted, places = uniform_target([corpus.rows(question.facts) for question in questions])
        return Lessons(questions, rows, wanted, places)
    asked = asked_of(questions, "shared", Collection(index).terms, knows_answer=True)
    vectors = encoded(opened.network.phi, opened.texts, asked, _budget(opened))
    found = build_candidates(index, asked, vectors, sampler_of(opened), record={}, progress=progress)
    at = torch.from_numpy(corpus.rows_of(index, found.keys))
    return Lessons(questions, rows, torch.from_numpy(np.array(found.sampler)), at)


def sampler_of(opened: Opened) -> How:
    """The f_φ of the checkpoint that was kept."""
    period = next(each for each in opened.record["periods"] if each["period"] == opened.record["best"])
    return How(opened.settings.sampler.p, period["sampler_scale"], period["temperature"])


def _budget(opened: Opened) -> int:
    return opened.settings.training.budget


def _fill(retriever: Retriever, texts: Texts, folder: Path) -> dict[str, Any]:
    retriever.write(folder, texts)
    return {}
