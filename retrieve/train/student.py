"""The model that is trained, and the one that is kept: the same head behind a lookup, and behind its encoder.

Both are `SparseEncoder`s of sentence-transformers, so the trainer, saving and loading are that library's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer.modules import Normalize

from retrieve.encoders.encoder import Encoder
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.winners import WinnerTakeAll
from retrieve.train.lookup import TokenLookup, VectorLookup
from retrieve.train.material import IntArray, Material
from retrieve.train.settings import Settings


class Student(SparseEncoder):
    """A model of row numbers. Its checkpoints have no model card, whose example texts are no numbers of rows."""

    def save_pretrained(self, path: str, *args: Any, **kwargs: Any) -> None:
        """As the library's, without the card."""
        super().save_pretrained(path, *args, **{**kwargs, "create_model_card": False})


def new_head(settings: Settings, hidden: int) -> WinnerTakeAll:
    """The untrained head: Gaussian weights by the seed, no mean yet."""
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


def let_means_learn(head: WinnerTakeAll) -> None:
    """Make parameters of the two means, under the names that they have as buffers, so that they are saved as those.

    Half of what a head gains it gains here: crops and queries do not lie around the mean of the documents.
    """
    for name in ("mean", "query_mean"):
        value = getattr(head, name)
        delattr(head, name)
        head.register_parameter(name, torch.nn.Parameter(value))


def student(material: Material, encoder: Encoder, settings: Settings, documents: IntArray) -> Student:
    """A model of row numbers with an untrained head, whose mean is that of these document rows."""
    if settings.level == "text":
        lookup: Any = VectorLookup(torch.from_numpy(material.vectors))
        mean = material.vectors[documents].mean(axis=0)
        head = new_head(settings, len(mean))
    else:
        transformer = encoder_modules(encoder)[0]
        lookup = TokenLookup(transformer, material.texts)
        head = new_head(settings, transformer.get_embedding_dimension())
        mean = token_mean(lookup, documents, head.hidden)
    head.set_mean(mean)
    return Student(modules=[lookup, head])


SAMPLE = 1000  # documents whose tokens a mean of token states is taken over


def token_mean(lookup: TokenLookup, documents: IntArray, hidden: int) -> Any:
    """The mean (H,) of the token states of at most `SAMPLE` documents, spread evenly over the rows."""
    rows = documents[:: max(1, len(documents) // SAMPLE)]
    total, count = np.zeros(hidden), 0
    for start in range(0, len(rows), 32):
        features = lookup(lookup.preprocess([str(row) for row in rows[start : start + 32]]))
        real = features["attention_mask"].bool()
        total += features["token_embeddings"][real].double().sum(dim=0).numpy()
        count += int(real.sum())
    return (total / count).astype(np.float32)


def encoder_modules(encoder: Encoder) -> list[Any]:
    """The modules of an encoder's folder, which has been checked, with a Normalize where the encoder normalises."""
    checked = read_encoder_folder(encoder.folder, None)
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
    SparseEncoder(modules=[*kept, head]).save_pretrained(str(folder), create_model_card=False)
