"""A VOD training from its settings to what is kept: questions, index, network, periods, the best checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainingArguments

from retrieve.corpora.questions.open import read_questions
from retrieve.errors import RetrieveError, TrainingError
from retrieve.files import remove_folder
from retrieve.train.vod.candidates import check_size
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.folder import check_place, write_model
from retrieve.train.vod.material import Material, check_grid, check_questions, trained_on
from retrieve.train.vod.model import VodModel
from retrieve.train.vod.network import make_network
from retrieve.train.vod.refresh import Refresher, take_weights
from retrieve.train.vod.retriever import Texts
from retrieve.train.vod.schedule import steps_of_period
from retrieve.train.vod.settings import VodSettings, load_settings
from retrieve.train.vod.trainer import VodTrainer, arguments_of
from retrieve.trainer.callbacks import Steps
from retrieve.trainer.checkpoints import alone_in, begin, last_checkpoint
from retrieve.trainer.device import chosen_device
from retrieve.trainer.random_state import on_device, own_chance
from retrieve.types import Progress, Question

VERSIONS = ("retrieve-engine", "transformers", "torch", "numpy")

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that trains: `period` steps in one."""

    settings: VodSettings
    collection: Collection | None
    texts: Texts
    network: VodModel
    train: Material
    validation: Material
    period: int


def train_vod(
    config: str | Path | Mapping[str, Any] | VodSettings,
    out: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    work: str | Path | None = None,
    device: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Train retriever and reader by a configuration, and write the best checkpoint to the folder `out` with its index.

    `settings` are dotted ones over the configuration; `work` takes index, caches and checkpoints, and an interrupted
    training goes on from there bit for bit (default: `<out>.training`, which is removed at the end). The report has
    `settings`, `periods` (each checkpoint judged on held-out questions), `steps` (loss and diagnostics of each), `best`
    and `seconds`. Raises `RecipeError`, `InputError` for the data, `TrainingError` for a loss that is no number or the
    folder of another training, `UsageError` for settings that do not go with the data.
    """
    asked = load_settings(config, settings)
    where = chosen_device(device)
    place = Path(out)
    check_place(place, force=force)
    folder = Path(work) if work is not None else place.with_name(f"{place.name}.training")
    fresh = not folder.exists()
    train, validation = read_split(asked, seed)
    start = time.perf_counter()
    with own_chance(seed), on_device(where), alone_in(folder):
        steps = asked.training.periods * _period(asked, train)
        arguments = arguments_of(asked.training, folder / "steps", steps=steps, seed=seed, device=where)
        with arguments.main_process_first(local=False, desc="index"):
            begin(folder, _record(asked, train, validation, seed))
            try:
                parts = make_parts(
                    asked, train, validation, folder, seed=seed, device=str(where), progress=progress
                )
            except RetrieveError:
                if fresh:  # nothing is trained yet: the corrected configuration finds the place free
                    remove_folder(folder)
                raise
        report = _trained(parts, arguments, folder, seed, progress)
        report["seconds"] = round(time.perf_counter() - start, 1)
        if arguments.process_index == 0:
            write_model(parts.network, parts.texts, parts.collection, report, place, force=force)
            if work is None:
                remove_folder(folder)
    return report


def read_split(settings: VodSettings, seed: int) -> tuple[list[Question], list[Question]]:
    """Questions to train on, and those that choose the checkpoint: the data's own, or held out of train by the seed."""
    data = read_questions(settings.data.questions, format=settings.data.format, need_answers=True)
    train, validation = trained_on(data), list(data.validation)
    if not validation:
        held = settings.data.held_out
        if held >= len(train):
            raise TrainingError(
                f"{data.name} has {len(train)} questions to train on, {held} are to be held out: lower data.held_out"
            )
        order = np.random.default_rng([seed, 0x4E]).permutation(len(train))
        validation = [train[number] for number in np.sort(order[:held])]
        train = [train[number] for number in np.sort(order[held:])]
    check_questions(validation, data.name, answers=True)
    check_grid(train, settings)
    return train, validation


def make_parts(
    settings: VodSettings,
    train: list[Question],
    validation: list[Question],
    folder: Path,
    *,
    seed: int,
    device: str,
    progress: Progress | None = None,
) -> Parts:
    """Index, towers and reader, untrained, with the questions."""
    section = settings.retriever
    texts = Texts(section.encoder, normalize=section.similarity == "cosine", pooling=section.pooling)
    network = make_network(settings, texts, device)
    collection = None
    if settings.retriever.source != "none":
        collection = Collection.open(folder / "index", settings, network.phi, texts, progress=progress)
        check_size(settings.sampler.p, collection.index)
        collection.check_facts([*train, *validation])
    given: dict[str, Any] = {"dimensions": network.retriever.queries.dimensions, "seed": seed}
    return Parts(
        settings,
        collection,
        texts,
        network,
        Material(train, settings, collection, texts, training=True, **given),
        Material(validation, settings, collection, texts, training=False, **given),
        _period(settings, train),
    )


def _trained(
    parts: Parts,
    arguments: TrainingArguments,
    folder: Path,
    seed: int,
    progress: Progress | None,
) -> Report:
    """Train in place, put the best checkpoint's weights into the network; the report."""
    settings, network = parts.settings, parts.network
    refresher = Refresher(
        folder,
        settings,
        network,
        parts.collection,
        parts.texts,
        parts.train,
        parts.validation,
        arguments=arguments,
        period=parts.period,
        seed=seed,
        progress=progress,
    )
    trainer = VodTrainer(
        network,
        arguments,
        parts.train,
        settings,
        period=parts.period,
        callbacks=[refresher, Steps(progress, often=True, period=parts.period)],
    )
    trainer.go_on(last_checkpoint(folder / "steps"))
    trainer.accelerator.unwrap_model(network, keep_fp32_wrapper=False)
    refresher.begin(settings.training.periods, last=True)
    best = refresher.best
    take_weights(network, folder / "best")
    trainer.accelerator.wait_for_everyone()
    if parts.collection is not None and trainer.is_world_process_zero():
        parts.collection.follow(network.phi, parts.texts, progress=progress)
    return {
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "questions": len(parts.train),
        "held_out": len(parts.validation),
        "period_steps": parts.period,
        "periods": refresher.measured,
        "best": best,
        "steps": trainer.curve(),
        "device": arguments.device.type,
        "versions": {name: version(name) for name in VERSIONS},
    }


def _period(settings: VodSettings, train: list[Question]) -> int:
    """Steps of a period, by this process as one of those that torchrun started."""
    return steps_of_period(settings.training, len(train), int(os.environ.get("WORLD_SIZE", "1")))


def _record(
    settings: VodSettings, train: list[Question], validation: list[Question], seed: int
) -> dict[str, Any]:
    """Everything that a training depends on beside this machine."""
    values = settings.model_dump(mode="json")
    sections = {name: section for name, section in values.items() if isinstance(section, dict)}
    flat = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    return flat | {"seed": seed, "questions": _digest(train), "held-out questions": _digest(validation)}


def _digest(questions: list[Question]) -> str:
    text = json.dumps([asdict(question) for question in questions])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
