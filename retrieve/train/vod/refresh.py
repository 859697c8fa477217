"""The beginning of a period: θ becomes φ, the corpus is encoded by it, candidates are ranked, the checkpoint is judged.

Everything is kept under the training's folder before the first step that uses it, so that a training killed in the
middle of a period goes on with the same numbers; what is missing is computed again from φ, to the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainingArguments

from retrieve.files import remove_folder, replaced_folder, write_file
from retrieve.train.vod.asked import Asked
from retrieve.train.vod.candidates import (
    Candidates,
    Float32s,
    How,
    build_candidates,
    choose_temperature,
    effective_sizes,
    encoded,
    open_candidates,
    write_candidates,
)
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.expect import expect
from retrieve.train.vod.material import Material
from retrieve.train.vod.measure import answered, judged
from retrieve.train.vod.model import VodModel
from retrieve.train.vod.retriever import Texts, digest_of
from retrieve.train.vod.settings import VodSettings
from retrieve.train.vod.start import fit_start
from retrieve.trainer.random_state import own_chance
from retrieve.types import Progress

_log = logging.getLogger("retrieve")

WEIGHTS = "weights.safetensors"
MEASURED = "measured.json"

_SAMPLE = 512
"""Lists that a temperature is chosen on."""


class Refresher(TrainerCallback):
    """Refreshes a training at the steps where a period begins. `measured`: what each checkpoint came to, by period."""

    def __init__(
        self,
        folder: Path,
        settings: VodSettings,
        network: VodModel,
        collection: Collection | None,
        texts: Texts,
        train: Material,
        validation: Material,
        *,
        arguments: TrainingArguments,
        period: int,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self._folder, self._settings, self._network = folder, settings, network
        self._collection, self._texts = collection, texts
        self._train, self._validation = train, validation
        self._period, self._seed, self._progress = period, seed, progress
        self._arguments = arguments
        self._warned = False
        self.measured: list[dict[str, Any]] = _read(folder / MEASURED)

    def on_step_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """A period begins, or goes on after a resume.

        With chance of its own: a model that is loaded draws weights first, and what was kept need not be computed.
        """
        with own_chance(self._seed):
            self._step_begin(state, **given)

    def _step_begin(self, state: Any, **given: Any) -> None:
        period, within = divmod(state.global_step, self._period)
        if within == 0:
            self.begin(period)
            optimizer = given.get("optimizer")
            if period and optimizer is not None:
                getattr(optimizer, "optimizer", optimizer).state.clear()
        elif not self._warned:
            with self._main_first():
                self._take(period)
        if not self._warned:
            expected = expect(self._network, self._train, self._settings, period=self._period)
            _log.info("%s", expected.line(steps=state.max_steps - state.global_step, period=self._period))
            self._warned = True

    def begin(self, period: int, *, last: bool = False) -> None:
        """θ becomes φ, and is judged as it would be used. `last`: no training follows."""
        if period and not self._fixed:
            self._network.phi.load_state_dict(self._network.retriever.state_dict())
        with self._main_first():
            self._take(period, last=last)
        if period == 0:
            fit_start(self._network, self._train, seed=self._seed)
        with self._main_first():
            self._judge(period)

    def _main_first(self) -> AbstractContextManager[None]:
        """Of several processes on as many GPUs the first computes what all read: transformers saves in no other."""
        first: AbstractContextManager[None] = self._arguments.main_process_first(local=False, desc="refresh")
        return first

    @property
    def _fixed(self) -> bool:
        return self._settings.retriever.source != "model"

    def _take(self, period: int, *, last: bool = False) -> None:
        """Candidates of φ for both sets of questions, from the folder or computed."""
        if self._collection is None:
            return
        wanted = {"checkpoint": digest_of(self._network.phi), "period": 0 if self._fixed else period}
        place = self._folder / f"period-{wanted['period']}"
        for name, material in (("validation", self._validation), ("train", self._train)):
            if last and name == "train":
                continue
            asked = wanted | {"questions": asked_digest(material.asked)}
            if not (place / name).is_dir():
                self._compute(place / name, material, asked, period, place)
            material.use(open_candidates(place / name, asked))
        if not self._fixed:
            remove_folder(self._folder / f"period-{period - 2}")

    def _compute(
        self, place: Path, material: Material, record: Mapping[str, Any], period: int, folder: Path
    ) -> None:
        collection, settings = self._collection, self._settings
        assert collection is not None
        collection.follow(self._network.phi, self._texts, progress=self._progress)
        bm25_alone = self._fixed or (period == 0 and settings.sampler.bm25_period)
        how = How(settings.sampler.p, 0.0 if bm25_alone else self._network.phi.scale, 5.0)
        temperature = settings.sampler.temperature or self._temperature(folder, how)
        made = build_candidates(
            collection.index, material.asked, self._encoded(material.asked), how._replace(temperature=temperature),
            record=record, stage=f"period {period}: candidates", progress=self._progress,
        )  # fmt: skip
        write_candidates(made, place)
        _log.info(
            "period %d: temperature %.3g, median effective size of r %.1f on %d lists of %d",
            period, temperature, median_size(made), len(made.keys), settings.sampler.p,
        )  # fmt: skip

    def _temperature(self, folder: Path, how: How) -> float:
        """One for both sets of a period, chosen on training questions."""
        known = folder / "temperature.json"
        if known.is_file():
            return float(json.loads(known.read_text(encoding="utf-8")))
        assert self._collection is not None
        size = self._settings.sampler.effective_size
        order = np.random.default_rng([self._seed, 0x7E]).permutation(len(self._train.asked))
        sample = [self._train.asked[row] for row in np.sort(order[:_SAMPLE]).tolist()]
        chosen = choose_temperature(self._collection.index, sample, self._encoded(sample), how, size=size)
        folder.mkdir(parents=True, exist_ok=True)
        write_file(known, json.dumps(chosen).encode())
        return chosen

    def _encoded(self, asked: Sequence[Asked]) -> Float32s:
        """Vectors (R,D) of what is asked, by φ."""
        return encoded(self._network.phi, self._texts, asked, self._settings.training.budget)

    def _judge(self, period: int) -> None:
        """Judge the checkpoint on validation questions, once, and keep its weights if it is the best so far."""
        checkpoint = digest_of(self._network.reader) + digest_of(self._network.retriever)
        self.measured = _read(self._folder / MEASURED)
        if any((each["period"], each["checkpoint"]) == (period, checkpoint) for each in self.measured):
            return
        draws = self._settings.training.draws
        found = judged(
            answered(self._network, self._validation, draws=draws, progress=self._progress), self._validation
        )
        scale = self._network.retriever.scale
        record: dict[str, Any] = {
            "period": period,
            "checkpoint": checkpoint,
            **found._asdict(),
            "scale": scale,
        }
        if self._validation.candidates is not None:
            cache = self._validation.candidates
            record |= {"temperature": cache.record["temperature"], "effective_size": median_size(cache)}
            record["sampler_scale"] = cache.record["scale"]
        self.measured = [each for each in self.measured if each["period"] < period] + [record]
        if self.best == period:
            keep_weights(self._network, self._folder / "best")
        write_file(self._folder / MEASURED, json.dumps(self.measured, indent=1).encode())
        _log.info(
            "period %d: held-out questions: log-likelihood %.4f, %.1f %% right", period, found.log_likelihood,
            100 * found.accuracy,
        )  # fmt: skip

    @property
    def best(self) -> int:
        """The period whose beginning has the best log-likelihood of held-out questions."""
        return int(max(self.measured, key=lambda each: (each["log_likelihood"], -each["period"]))["period"])


def median_size(candidates: Candidates) -> float:
    """The median effective size of r over all lists."""
    return float(np.median(effective_sizes(np.asarray(candidates.sampler, np.float64))))


def keep_weights(network: VodModel, folder: Path) -> None:
    """All weights but φ's, whole or not at all; those that are there go."""
    with replaced_folder(folder) as building:
        save_file(weights_of(network), building / WEIGHTS)


def take_weights(network: VodModel, folder: Path) -> None:
    """Put kept weights into the network, and into φ where it follows the retriever."""
    network.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    if not network.fixed:
        network.phi.load_state_dict(network.retriever.state_dict())


def weights_of(network: VodModel) -> dict[str, torch.Tensor]:
    """By name, without φ's."""
    return {
        name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
        if not name.startswith("phi.")
    }


def asked_digest(asked: Sequence[Asked]) -> str:
    """Of all that is asked for."""
    text = json.dumps([(each.text, sorted(each.terms.items()), each.options) for each in asked])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
