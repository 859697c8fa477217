"""The retriever as a module: a tower for questions, one for documents or the same, and a scale that is learned.

At a scale of 1 the softmax of cosines over a hundred documents is flat and nothing would be learned: 20 is where it
starts.
"""

from __future__ import annotations

import copy
import hashlib
import math
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.folder import Pooling, read_encoder_folder
from retrieve.encoders.load import find_model, load_encoder
from retrieve.encoders.tokens import TokenRow, load_tokenizer
from retrieve.encoders.torch.trainable import PassageModel
from retrieve.encoders.torch.trained_folder import write_encoder_folder
from retrieve.train.vod.settings import RetrieverSection


class Texts:
    """How texts become tokens for a tower: its tokenizer, limit and prompts. Loads no weights."""

    def __init__(self, model: str, *, normalize: bool, pooling: Pooling | None = None) -> None:
        """`pooling`: of a plain transformers model."""
        self.model: Encoder = load_encoder(
            model, pooling=pooling, normalize=normalize, backend="torch", precision="fp32"
        )
        self.folder = read_encoder_folder(find_model(model), pooling)

    def questions(self, texts: list[str]) -> list[TokenRow]:
        """Texts with the query prompt."""
        return self.model.rows([self.model.query_prompt + text for text in texts])

    def documents(self, texts: list[str]) -> list[TokenRow]:
        """Texts with the document prompt."""
        return self.model.rows([self.model.document_prompt + text for text in texts])

    def tower(self, device: str | None, *, normalize: bool) -> PassageModel:
        """Its model, to be trained."""
        unit = normalize or self.folder.normalizes
        return PassageModel(self.folder, pad=self.model.pad, normalize=unit, device=device)

    def tokenizer(self) -> str:
        """What a tokenizer.json of it holds."""
        text: str = load_tokenizer(self.folder.transformer, lower_case=self.folder.lower_case).to_str()
        return text


class Retriever(nn.Module):
    """f(d, q) of vectors, and the towers that make them. `documents` None: both towers are one."""

    def __init__(self, queries: PassageModel, documents: PassageModel | None, *, scale: float) -> None:
        super().__init__()
        self.queries, self.documents = queries, documents
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    @classmethod
    def load(
        cls, section: RetrieverSection, texts: Texts, device: str | None, *, documents: Path | None = None
    ) -> Self:
        """From the encoder of `texts`; a document tower of its own from the folder `documents`, if it is there."""
        cosine = section.similarity == "cosine"
        queries = texts.tower(device, normalize=cosine)
        tower = None
        if section.towers == "separate":
            own = Texts(str(documents), normalize=cosine) if documents and documents.is_dir() else texts
            tower = own.tower(device, normalize=cosine)
        return cls(queries, tower, scale=section.scale).to(queries.device)

    @property
    def document_tower(self) -> PassageModel:
        """What encodes documents."""
        return self.queries if self.documents is None else self.documents

    @property
    def scale(self) -> float:
        """e^λ."""
        return float(self.log_scale.detach().exp())

    def score(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Vectors (…,D) of questions and (…,K,D) of documents → f_θ (…,K)."""
        return self.log_scale.exp() * inner_products(queries, documents)

    def frozen_copy(self) -> Retriever:
        """A copy that nothing trains: φ."""
        return copy.deepcopy(self).requires_grad_(False).eval()

    def write(self, folder: Path, texts: Texts, *, documents: bool = False) -> None:
        """The question tower, or the document tower, as a folder of sentence-transformers."""
        tower = self.document_tower if documents else self.queries
        prompts = {"query": texts.model.query_prompt, "document": texts.model.document_prompt}
        write_encoder_folder(
            tower, folder, tokenizer=texts.tokenizer(), limit=texts.model.limit, prompts=prompts
        )


def inner_products(queries: Tensor, documents: Tensor) -> Tensor:
    """Vectors (…,D) and (…,K,D) → (…,K), in float32 whatever autocast says: what they are compared with is so, too."""
    with torch.autocast(queries.device.type, enabled=False):
        return torch.einsum("...d,...kd->...k", queries.float(), documents.float())


def digest_of(module: torch.nn.Module) -> str:
    """Of all weights."""
    found = hashlib.blake2b(digest_size=16)
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
