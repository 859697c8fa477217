"""The model that is trained, and the one that is kept: the same head behind a lookup, and behind its encoder.

Both are `SparseEncoder`s of sentence-transformers, so the trainer, saving and loading are that library's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer.modules import Normalize

from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.folder import read_encoder_folder, refuse_truncated
from retrieve.encoders.head import query_share
from retrieve.encoders.torch.backend import quiet_transformers
from retrieve.encoders.winners import WinnerTakeAll
from retrieve.train.frozen_modules import TokenLookup, VectorLookup
from retrieve.train.settings import Settings
from retrieve.train.training_data import IntArray, Material

SAMPLE = 1000  # texts whose tokens a mean of token states is taken over


class Student(SparseEncoder):
    """A model of row numbers. Its checkpoints have no model card, whose example texts are no numbers of rows."""

    def save_pretrained(self, path: str, *args: Any, **kwargs: Any) -> None:
        """As the library's, without the card."""
        super().save_pretrained(path, *args, **{**kwargs, "create_model_card": False})


def new_head(settings: Settings, hidden: int) -> WinnerTakeAll:
    """A head with Gaussian weights by the seed, and no mean yet."""
    return WinnerTakeAll(
        hidden,
        settings.dimensions,
        settings.winners,
        settings.query_winners,
        settings.level,
        cap=settings.cap,
        seed=settings.seed,
        own_query_mean=True,
    )


def untrained(material: Material, encoder: Encoder, settings: Settings, documents: IntArray) -> Student:
    """A model of row numbers with an untrained head, whose mean is that of these document rows.

    At text level queries have the share of it taken off that an index takes.
    """
    if settings.level == "text":
        lookup: Any = VectorLookup(torch.from_numpy(material.vectors))
        mean = material.vectors[documents].mean(axis=0)
    else:
        lookup = TokenLookup(encoder_modules(encoder)[0], material.texts)
        mean = token_mean(lookup, documents)
    head = new_head(settings, len(mean))
    head.set_mean(mean, mean * (query_share(mean) if settings.level == "text" else 1.0))
    return Student(modules=[lookup, head])


def to_be_trained(
    material: Material, encoder: Encoder, settings: Settings, *, documents: IntArray, queries: IntArray
) -> Student:
    """As `untrained`, with a mean of its own for queries: that share of the mean of these query rows."""
    student = untrained(material, encoder, settings, documents)
    lookup: Any = student[0]
    head: Any = student[1]
    of_queries = (
        material.vectors[queries].mean(axis=0) if settings.level == "text" else token_mean(lookup, queries)
    )
    head.set_mean(head.mean, query_share(of_queries) * of_queries)
    return student


def token_mean(lookup: TokenLookup, rows: IntArray) -> npt.NDArray[np.float32]:
    """The mean (H,) of the token states of at most `SAMPLE` texts, spread evenly over the rows."""
    rows = rows[:: max(1, len(rows) // SAMPLE)]
    total, count = np.float64(0), 0
    for start in range(0, len(rows), 32):
        features = lookup(lookup.preprocess([str(row) for row in rows[start : start + 32]]))
        real = features["attention_mask"].bool()
        total = total + features["token_embeddings"][real].double().sum(dim=0).numpy()
        count += int(real.sum())
    return np.asarray(total / count, dtype=np.float32)


def encoder_modules(encoder: Encoder) -> list[Any]:
    """The modules of an encoder's folder, which has been checked, with a Normalize where the encoder normalises."""
    checked = read_encoder_folder(encoder.folder, None)
    refuse_truncated(checked)
    with quiet_transformers():
        model = SentenceTransformer(
            str(checked.root), local_files_only=True, trust_remote_code=False, device="cpu"
        )
    modules = list(model.children())
    if encoder.normalize and not checked.normalizes:
        modules.append(Normalize())
    for module in modules:
        module.requires_grad_(requires_grad=False)
    return modules


def save(head: WinnerTakeAll, encoder: Encoder, folder: Path) -> None:
    """Write encoder and head as one `SparseEncoder` folder."""
    modules = encoder_modules(encoder)
    kept = modules if head.level == "text" else modules[:1]
    with quiet_transformers():
        SparseEncoder(modules=[*kept, head]).save_pretrained(str(folder), create_model_card=False)
