"""Retriever, reader and the frozen copy φ as one module: a batch of questions to the bound and what it tells.

φ hangs on the module so that a checkpoint holds it, and a training that is resumed in the middle of a period refreshes
what it lost from the very weights that the period began with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from retrieve.encoders.torch.trainable import PassageModel
from retrieve.train.vod.material import Batch
from retrieve.train.vod.objective.choice import (
    Choices,
    choice_diagnostics,
    choice_estimate,
    log_probabilities,
)
from retrieve.train.vod.objective.estimator import Diagnostics, diagnose, estimate
from retrieve.train.vod.readers.protocol import Read
from retrieve.train.vod.retriever import Retriever, inner_products


class Scored(NamedTuple):
    """f_θ (B,J,K), −inf where nothing is, and the reader's g (B,M,K), float64 both."""

    scores: Tensor
    reader: Tensor


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of B questions: L̂_α, its diagnostics, and log p(a|Q) (B,M) as the same sample estimates it."""

    bounds: Tensor
    diagnostics: Diagnostics
    log_probabilities: Tensor


class VodModel(nn.Module):
    """θ, the reader, φ, and where the reader has an encoder of its own beside the retriever's, that one."""

    def __init__(
        self,
        retriever: Retriever,
        reader: nn.Module,
        reader_tower: PassageModel | None,
        *,
        shared: bool,
        fixed: bool,
        train_documents: bool,
        budget: int,
    ) -> None:
        """`shared`: one list of documents for all options. `fixed`: p(d|q) is r, the retriever is not trained."""
        super().__init__()
        self.retriever, self.reader, self.reader_tower = retriever, reader, reader_tower
        self.phi = retriever.frozen_copy()
        self._shared, self.fixed, self._fresh, self._budget = shared, fixed, train_documents, budget
        reads: Any = reader
        self.reads_texts: bool = reads.reads_texts
        if fixed:
            retriever.log_scale.requires_grad_(False)
        if retriever.documents is not None and not train_documents:
            retriever.documents.requires_grad_(False)
        if self.reads_texts and fixed:
            retriever.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """As torch has it, but φ: what it encodes is cached, and never has dropout."""
        super().train(mode)
        self.phi.eval()
        return self

    def state_dict(self, *args: Any, **given: Any) -> dict[str, Any]:  # type: ignore[override]
        """Weights by name, those with two names once: a language model's embeddings are its head's weights, too, and
        neither the trainer nor safetensors saves a tensor twice.
        """
        seen: set[tuple[int, torch.Size]] = set()
        found: dict[str, Any] = super().state_dict(*args, **given)
        for name, value in list(found.items()):
            place = value.data_ptr(), value.shape
            if value.numel() and place in seen:
                del found[name]
            seen.add(place)
        return found

    @property
    def wants_documents(self) -> bool:
        """Whether a batch in training must have documents' tokens."""
        return self._fresh or self.reader_tower is not None

    def forward(self, batch: Batch) -> Outcome:
        """The bound (B,) of each question, from the documents that were drawn."""
        scored = self.scored(batch, fresh=self._fresh)
        sampler, log_weights = self._on(batch.sampler), self._on(batch.log_weights)
        answers = batch.answers.to(scored.scores.device)
        if not self._shared:
            choices = Choices(scored.scores, sampler, scored.reader, log_weights)
            return Outcome(
                choice_estimate(choices, answers, alpha=batch.alpha),
                choice_diagnostics(choices, answers, alpha=batch.alpha),
                _each_option(choices, batch.present.to(answers.device)),
            )
        log_reader = self._log_reader(scored.reader, batch)
        own = {"sampler_scores": sampler[:, 0], "log_weights": log_weights[:, 0]}
        right = log_reader[torch.arange(len(answers), device=answers.device), answers]
        f = scored.scores[:, 0]
        with torch.no_grad():
            options = [
                estimate(f, reader=log_reader[:, m], **own, alpha=0.0) for m in range(log_reader.shape[1])
            ]
        return Outcome(
            estimate(f, reader=right, **own, alpha=batch.alpha),
            diagnose(f, reader=right, **own, alpha=batch.alpha),
            torch.stack(options, dim=1).masked_fill(~batch.present.to(f.device), -torch.inf),
        )

    def exact(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of a batch with all P documents: log p(a|Q) (B,M), exact, and the scores f_θ (B,J,P) that it depends on.

        The derivative of log p(a|Q) in a score is the posterior of that document less its prior.
        """
        with torch.no_grad():  # a graph of all P documents' encoding would fill any memory
            scored = self.scored(batch, fresh=False)
        scores = scored.scores.requires_grad_(torch.is_grad_enabled())
        if not self._shared:
            return log_probabilities(scores, scored.reader), scores
        log_prior = torch.log_softmax(scores, dim=-1)
        present = batch.present.to(scores.device)
        # An option that is not there would have −inf everywhere, and its derivative would be no number.
        log_reader = self._log_reader(scored.reader, batch).masked_fill(~present.unsqueeze(-1), 0.0)
        found = torch.logsumexp(log_prior + log_reader, dim=-1)
        return found.masked_fill(~present, -torch.inf), scores

    def scored(self, batch: Batch, *, fresh: bool) -> Scored:
        """Scores of retriever and reader. `fresh`: the document tower encodes; else vectors are those of the cache."""
        scores, read = self.inputs(batch, fresh=fresh)
        return Scored(scores, self.reader(read).double())

    def inputs(self, batch: Batch, *, fresh: bool) -> tuple[Tensor, Read]:
        """The retriever's f_θ (B,J,K), −inf where nothing is, and what the reader reads."""
        documents = batch.documents.to(self.retriever.queries.device)
        kept = batch.kept.to(documents.device)
        if fresh:
            documents = self._fresh_documents(self.retriever.document_tower, batch)
        asked = self._encoded(self.retriever.queries, batch.asked, batch.asked_at, kept.shape[:2])
        scores = self._on(batch.sampler) if self.fixed else self.retriever.score(asked, documents).double()
        return scores.masked_fill(~kept, -torch.inf), self._read(batch, asked, documents, kept)

    def _read(self, batch: Batch, asked: Tensor, documents: Tensor, kept: Tensor) -> Read:
        m = batch.present.shape[1]
        rows = batch.asked if batch.options is None else batch.options
        options = asked
        if self.reader_tower is not None:
            options = self._encoded(self.reader_tower, rows, batch.options_at, batch.present.shape)
            documents = self._fresh_documents(self.reader_tower, batch)
        elif batch.options is not None:
            options = self._encoded(self.retriever.queries, rows, batch.options_at, batch.present.shape)
        each = documents.expand(-1, m, -1, -1)
        there = kept.expand(-1, m, -1) & batch.present.to(kept.device).unsqueeze(-1)
        cosine = inner_products(options, each)
        of_question = batch.question_bm25.to(cosine).expand(-1, m, -1)
        scores = torch.stack([cosine, of_question, batch.option_bm25.to(cosine)], dim=-1)
        return Read(options, each, scores, there, batch.triples)

    def _fresh_documents(self, tower: PassageModel, batch: Batch) -> Tensor:
        """Vectors (B,J,K,D) of the documents' tokens."""
        made = tower.vectors(batch.document_rows, self._budget)
        return made[torch.from_numpy(batch.document_at).to(made.device)]

    def _log_reader(self, reader: Tensor, batch: Batch) -> Tensor:
        """Log p(a|d,q) (B,M,K) of the options that are there."""
        present = batch.present.to(reader.device).unsqueeze(-1)
        return torch.log_softmax(reader.masked_fill(~present, -torch.inf), dim=1)

    def _encoded(self, tower: PassageModel, rows: Any, places: Any, shape: Any) -> Tensor:
        """Vectors at their places: (B,J,D)."""
        vectors = tower.vectors(rows, self._budget)
        at = torch.from_numpy(places).to(vectors.device)
        found = torch.zeros((*shape, vectors.shape[1]), dtype=vectors.dtype, device=vectors.device)
        return found.index_put((at[:, 0], at[:, 1]), vectors)

    def _on(self, values: Tensor) -> Tensor:
        return values.to(self.retriever.queries.device).double()


@torch.no_grad()
def _each_option(choices: Choices, present: Tensor) -> Tensor:
    """Estimated log p(a|Q) (B,M)."""
    rows = torch.zeros(len(present), dtype=torch.long, device=present.device)
    each = [choice_estimate(choices, rows + option, alpha=0.0) for option in range(present.shape[1])]
    return torch.stack(each, dim=1).masked_fill(~present, -torch.inf)
