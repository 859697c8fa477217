"""What end-to-end training gives: an encoder of the classifier's own, and the network over its vectors, as one `Model`.

The weights, the settings and the tokenizer of the encoder are part of its state: it needs no other model's folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from retrieve.classify.aggregators.make import make_aggregator
from retrieve.classify.endtoend.model import DocumentNetwork, passages_of
from retrieve.classify.endtoend.reading import Reader, recipe_of
from retrieve.classify.frozen import Made, columns, evidence_of
from retrieve.classify.network import Network
from retrieve.classify.preset import load_preset
from retrieve.classify.records import Context, Evidence, FloatArray, IntArray, State
from retrieve.classify.standardise import Standardise
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.tokens import TokenRow, load_tokenizer
from retrieve.encoders.torch.trainable import PassageModel
from retrieve.encoders.torch.trained_folder import encoder_data, encoder_folder
from retrieve.errors import ModelMismatch
from retrieve.passages.encoder import PassageEncoder
from retrieve.types import LabelledDocument, LabelSet, Progress

_DOCUMENTS = 64
"""Documents that are scored together at most."""


class TunedNetwork:
    """An encoder and a network over its vectors that were trained together. A `Model` of kind "tuned"."""

    kind = "tuned"

    def __init__(self, made: Made, reader: Reader, network: DocumentNetwork, tokenizer: str) -> None:
        """`tokenizer`: what its tokenizer.json holds."""
        self.made = made
        self.network = network.eval()
        self._reader, self._tokenizer = reader, tokenizer

    def scores(
        self, documents: Sequence[LabelledDocument], *, progress: Progress | None = None
    ) -> FloatArray:
        """Scores (N,L); see `Model`."""
        scores = np.empty((len(documents), columns(self.made.task, self.made.labels)))
        for start in range(0, len(documents), _DOCUMENTS):
            part = slice(start, start + _DOCUMENTS)
            rows = self._reader.read(documents[part]).rows
            at = start
            for group in self._groups(rows):
                scores[at : at + len(group)] = self._scored(group)
                at += len(group)
                if progress is not None:
                    progress("classifying", at, len(documents))
        return scores

    def _groups(self, rows: Sequence[list[TokenRow]]) -> Iterator[Sequence[list[TokenRow]]]:
        """Documents that are encoded together: one at a time where all states of all their tokens are kept."""
        step = 1 if self.network.encoder.states else max(len(rows), 1)
        return (rows[start : start + step] for start in range(0, len(rows), step))

    def _scored(self, rows: Sequence[list[TokenRow]]) -> FloatArray:
        with torch.inference_mode():
            scores: FloatArray = self.network(passages_of(rows)).double().cpu().numpy()
        return scores

    def evidence(self, document: LabelledDocument, spans: IntArray | None = None) -> Evidence:
        """What each of the network's own passages does; see `Model`. Each passage is encoded once."""
        found = self._reader.read([document])
        with torch.inference_mode():
            ragged = self.network.encoded(passages_of(found.rows))
        head: Any = self.network.head
        own = found.rows[0][: len(found.spans[0])]  # without those of legacy padding
        counts = [len(row.ids) if self.network.encoder.states else 1 for row in own]
        bounds = np.cumsum([0, *counts], dtype=np.int64)
        return evidence_of(head, ragged, bounds, found.spans[0])

    def state(self) -> State:
        """The network, and the encoder with its settings and its tokenizer."""
        made, model = self.made, self._reader.parts.models.documents
        texts, arrays = encoder_data(self.network.encoder, tokenizer=self._tokenizer, limit=model.limit)
        settings = {
            "preset": made.preset.model_dump(mode="json"),
            "task": made.task,
            "labels": {"names": list(made.labels.names), "descriptions": dict(made.labels.descriptions)},
            "epochs": made.epochs,
            "encoder": texts,
            "prompt": model.document_prompt,
            "normalize": model.normalize,
        }
        head = {f"head.{name}": value.cpu().numpy() for name, value in self.network.head.state_dict().items()}
        return State(settings, head | {f"encoder.{name}": array for name, array in arrays.items()})

    @classmethod
    def from_state(cls, state: State, context: Context) -> Self:
        """The model that `state` describes. Raises `ModelMismatch` for arrays of another one."""
        return cls._restored(state, context.device)

    def __reduce__(self) -> tuple[Any, tuple[State, str]]:
        """It pickles as its state: the folder that its parts were read from is not there any more."""
        return self._restored, (self.state(), str(self.network.encoder.device))

    @classmethod
    def _restored(cls, state: State, device: str | None) -> Self:
        settings = state.settings
        labels = LabelSet(tuple(settings["labels"]["names"]), settings["labels"]["descriptions"])
        made = Made(load_preset(settings["preset"]), settings["task"], labels, settings["epochs"])
        arrays = _under("encoder.", state)
        with encoder_folder(settings["encoder"], arrays) as folder:
            own = {
                "model": str(folder),
                "pooling": None,
                "normalize": settings["normalize"],
                "query_prompt": "",
                "document_prompt": settings["prompt"],
                "limit": None,
            }
            recipe: dict[str, Any] = recipe_of(made.preset)
            dense = {key: value for key, value in (recipe["dense"] | own).items() if value is not None}
            parts = PassageEncoder(recipe | {"dense": dense}, cache=False, device=device)
            reader = Reader(parts, made.preset)
            _ = parts.splitter  # what it needs of the folder is in memory from here on
            encoder = passage_model(parts, made, device)
            tokenizer = tokenizer_of(parts)
        try:
            head = {name: torch.from_numpy(np.array(array)) for name, array in _under("head.", state).items()}
            standardise = Standardise(
                *(head[f"standardise.{name}"].numpy() for name in ("mean", "sd", "kept"))
            )
            network = network_of(made, encoder, standardise, (0.0, 1.0), head.get("aggregator.descriptions"))
            network.head.load_state_dict(head)
        except (KeyError, RuntimeError) as error:
            raise ModelMismatch(
                f"the arrays are not those of preset {made.preset.name!r} for {len(labels.names)} labels: {error}"
            ) from error
        return cls(made, reader, network, tokenizer)


def passage_model(parts: PassageEncoder, made: Made, device: str | None) -> PassageModel:
    """The encoder of the parts, in float32, to be trained or used."""
    model, section = parts.models.documents, parts.recipe.dense
    assert section is not None
    return PassageModel(
        read_encoder_folder(model.folder, section.pooling),
        pad=model.pad,
        normalize=model.normalize,
        states=made.preset.encoder.states,
        device=device,
    )


def tokenizer_of(parts: PassageEncoder) -> str:
    """What a tokenizer.json of the parts' tokenizer holds: without truncation or padding, lower-casing included."""
    assert parts.recipe.dense is not None
    folder = read_encoder_folder(parts.models.documents.folder, parts.recipe.dense.pooling)
    text: str = load_tokenizer(folder.transformer, lower_case=folder.lower_case).to_str()
    return text


def network_of(
    made: Made,
    encoder: PassageModel,
    standardise: Standardise,
    scale: tuple[float, float],
    descriptions: Tensor | None,
) -> DocumentNetwork:
    """The encoder with the preset's aggregator, untrained."""
    settings = made.preset.end_to_end
    aggregator = make_aggregator(
        made.preset.aggregator,
        len(standardise.kept),
        columns(made.task, made.labels),
        task=made.task,
        dropout=settings.dropout,
        descriptions=descriptions,
    )
    head = Network(standardise, aggregator, scale).to(encoder.device)
    if settings.gradient_checkpointing:
        encoder.checkpoint_layers()
    return DocumentNetwork(encoder, head, budget=settings.budget, recompute=settings.recompute)


def _under(prefix: str, state: State) -> dict[str, Any]:
    return {name[len(prefix) :]: array for name, array in state.arrays.items() if name.startswith(prefix)}
