"""A trained VOD model on disk: encoders as folders of sentence-transformers, the reader's weights, and its index.

The question tower's folder is one that any index takes (`--encoder`). Files have checksums in the record, the index has
its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from retrieve.api import Index
from retrieve.encoders.torch.trained_folder import write_encoder_folder
from retrieve.errors import ModelCorrupt, ModelMismatch
from retrieve.files import checksum_file
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.model import VodModel
from retrieve.train.vod.network import make_network
from retrieve.train.vod.readers.cross import CrossReader
from retrieve.train.vod.readers.mlm import MaskedReader
from retrieve.train.vod.retriever import Texts, digest_of
from retrieve.train.vod.settings import VodSettings, load_settings
from retrieve.trainer.device import chosen_device
from retrieve.trainer.model_folder import ModelKind

KIND = ModelKind("VOD model", "vod.json", 1)
WEIGHTS = "reader.safetensors"
QUESTIONS, DOCUMENTS, READER, INDEX = "questions", "documents", "reader", "index"


def check_place(folder: Path, *, force: bool) -> None:
    """Raise `UsageError` where no model can be saved: see `ModelKind`."""
    KIND.check_place(folder, force=force)


def write_model(
    network: VodModel,
    texts: Texts,
    collection: Collection | None,
    report: Mapping[str, Any],
    folder: Path,
    *,
    force: bool,
) -> None:
    """Write a model with the report of its training, and its index, which moves there.

    The index is encoded by φ's document tower: where that is not the question tower, it has a folder of its own.
    """

    def fill(building: Path) -> dict[str, Any]:
        network.retriever.write(building / QUESTIONS, texts)
        if digest_of(network.phi.document_tower) != digest_of(network.retriever.queries):
            network.phi.write(building / DOCUMENTS, texts, documents=True)
        _write_reader(network, texts, building)
        found = {
            path.relative_to(building).as_posix(): checksum_file(path)
            for path in sorted(building.rglob("*"))
            if path.is_file()
        }
        if collection is not None:
            collection.move(building / INDEX)
        return {"files": found, "scale": network.retriever.scale}

    KIND.write(folder, report, fill, force=force)


@dataclass(frozen=True, slots=True)
class Opened:
    """A model as it was written: `index` None where nothing is retrieved."""

    record: dict[str, Any]
    settings: VodSettings
    texts: Texts
    network: VodModel
    index: Index | None


def open_model(folder: Path, *, device: str | None = None) -> Opened:
    """Read a model. Raises `UsageError` where there is none, `ModelCorrupt` for a damaged file, `ModelMismatch` for
    weights of another reader.
    """
    record = KIND.read(folder)
    for name, wanted in record["files"].items():
        path = folder / name
        if not path.is_file() or checksum_file(path) != wanted:
            raise ModelCorrupt(f"{path} is missing or damaged: train again, or restore it from a copy")
    settings = load_settings(record["settings"])
    where = str(chosen_device(device))
    own = {"retriever.encoder": str(folder / QUESTIONS), "retriever.scale": record["scale"]}
    if settings.reader.encoder:
        own["reader.encoder"] = str(folder / READER)
    here = load_settings(settings, own)
    texts = Texts(str(folder / QUESTIONS), normalize=settings.retriever.similarity == "cosine")
    network = make_network(here, texts, where, documents=folder / DOCUMENTS, reader=folder / READER)
    try:
        _read_reader(network, folder / WEIGHTS)
    except RuntimeError as error:
        raise ModelMismatch(f"{folder / WEIGHTS} has the weights of another reader: {error}") from error
    if network.fixed and (folder / DOCUMENTS).is_dir():
        # φ never followed the retriever, and its two towers began as one encoder.
        first = Texts(str(folder / DOCUMENTS), normalize=network.phi.queries.normalize)
        queries = first.tower(where, normalize=network.phi.queries.normalize)
        network.phi.queries = queries.requires_grad_(False)
    index = None
    if (folder / INDEX).is_dir():
        tower = folder / (DOCUMENTS if (folder / DOCUMENTS).is_dir() else QUESTIONS)
        index = Index.open(folder / INDEX, model=str(tower), cache=False, device=where)
    return Opened(record, settings, texts, network.eval(), index)


def _write_reader(network: VodModel, texts: Texts, building: Path) -> None:
    """The reader's own weights, and its encoder as a folder."""
    reader, tower = network.reader, network.reader_tower
    if isinstance(reader, CrossReader):
        write_encoder_folder(
            reader.encoder, building / READER, tokenizer=reader.tokenizer_text, limit=reader.limit
        )
    elif isinstance(reader, MaskedReader):
        reader.write(building / READER)
    elif tower is not None:
        write_encoder_folder(tower, building / READER, tokenizer=texts.tokenizer(), limit=texts.model.limit)
    save_file(_own(network), building / WEIGHTS)


def _own(network: VodModel) -> dict[str, torch.Tensor]:
    """The reader's weights that are in no encoder's folder."""
    return {
        name: value.detach().cpu().contiguous()
        for name, value in network.reader.state_dict().items()
        if not name.startswith(("encoder.", "model."))
    }


def _read_reader(network: VodModel, path: Path) -> None:
    found = load_file(path)
    missing, unexpected = network.reader.load_state_dict(found, strict=False)
    missing = [name for name in missing if not name.startswith(("encoder.", "model."))]
    if missing or unexpected:
        raise RuntimeError(f"missing {missing}, unexpected {unexpected}")
