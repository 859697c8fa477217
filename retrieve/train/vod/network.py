"""Retriever, reader and φ by their settings: untrained from a named encoder, or as a model's folder has them."""

from __future__ import annotations

from pathlib import Path

from retrieve.encoders.torch.trainable import PassageModel
from retrieve.train.vod.model import VodModel
from retrieve.train.vod.readers.make import make_reader
from retrieve.train.vod.retriever import Retriever, Texts
from retrieve.train.vod.settings import VodSettings


def make_network(
    settings: VodSettings,
    texts: Texts,
    device: str,
    *,
    documents: Path | None = None,
    reader: Path | None = None,
) -> VodModel:
    """The network of the settings. `documents` and `reader`: folders of towers that were trained apart."""
    retriever = Retriever.load(settings.retriever, texts, device, documents=documents)
    tower = None
    if settings.reader.backbone == "separate":
        own = texts if reader is None else Texts(str(reader), normalize=retriever.queries.normalize)
        tower = own.tower(device, normalize=retriever.queries.normalize)
    dimensions = retriever.queries.dimensions
    network = VodModel(
        retriever,
        make_reader(settings, dimensions, device).to(device),
        tower,
        shared=settings.data.documents == "shared",
        fixed=settings.retriever.source != "model",
        train_documents=settings.retriever.train_documents,
        budget=settings.training.budget,
    )
    if settings.training.gradient_checkpointing:
        for module in network.modules():
            if isinstance(module, PassageModel):
                module.checkpoint_layers()
    return network
