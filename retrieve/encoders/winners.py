"""`WinnerTakeAll`, the module that makes binarized ultra-high-dimensional codes (UHD) of what an encoder gives.

It is a module of sentence-transformers' `SparseEncoder`, so that encoding, training, losses and the hub format are that
library's. The idea (project to many dimensions, let few win, keep only who won) is of Jang et al., arXiv 2104.07198;
the text level, the caps and the gradient are choices of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.modules import Module
from torch import Tensor

from retrieve.encoders.head import check_mean, check_numbers, gaussian
from retrieve.encoders.torch.straight_through import margins, straight_through, take_winners
from retrieve.errors import EncoderError, UsageError
from retrieve.types import MOST_QUERY_WINNERS

CapRule = Literal["value", "votes", "idf"]

LEVELS = ("text", "token")
CAP_RULES = ("value", "votes", "idf")

Features = dict[str, Any]


class WinnerTakeAll(Module):
    """Vectors → codes of 0.0 and 1.0 (B,N), N = `dimensions` x buckets, as features["sentence_embedding"].

    - `level` "text" takes features["sentence_embedding"] (B,H): z = weight · (v − mean), the `winners` largest win.
      "token" takes features["token_embeddings"] (B,T,H) and attention_mask (B,T): so many win for each token, and a
      text has the dimensions that some real token won; a text without real tokens has none.
    - `query_winners` (default: `winners`) is taken when `task` is "query", else `winners`.
    - `segments`, horizontal buckets: the dimensions are cut into so many parts that have an equal share of winners.
    - `layers`, vertical buckets (token level): one code of `dimensions` for each hidden layer, 0 being the embeddings,
      side by side, out of features["all_layer_embeddings"].
    - `cap` (token level): no more dimensions than so many a bucket are kept of what is no query, by `cap_rule`:
      "value" the largest z of a token that won, "votes" how many tokens won it, then value, "idf" votes x the buffer
      `idf` (N,), which is 1 until `set_idf`.

    Equal z: the lower dimension wins. NaN or infinity in a text makes all of its code NaN, as winners would hide it.
    `weight` (N,H) is `gaussian` of the `seed`, and trained if it is left trainable; `mean` (H,), or (buckets,H) with
    layers, is zero until `set_mean`. With `own_query_mean` a query has `query_mean` taken off, of the same shape:
    queries are shorter than documents, and lie elsewhere. Raises `UsageError` for numbers that cannot be.
    """

    # As the library declares them, which is not as class variables.
    config_keys: list[str] = [  # noqa: RUF012
        *("hidden", "dimensions", "winners", "query_winners", "level", "segments", "layers"),
        *("cap", "cap_rule", "seed", "own_query_mean"),
    ]
    forward_kwargs: set[str] = {"task"}  # noqa: RUF012

    def __init__(
        self,
        hidden: int,
        dimensions: int = 8192,
        winners: int = 512,
        query_winners: int | None = None,
        level: Literal["text", "token"] = "text",
        segments: int = 1,
        layers: Sequence[int] | None = None,
        cap: int | None = None,
        cap_rule: CapRule = "votes",
        seed: int = 0,
        own_query_mean: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.hidden = hidden
        self.dimensions = dimensions
        self.winners = winners
        self.query_winners = winners if query_winners is None else query_winners
        self.level = level
        self.segments = segments
        self.layers = None if layers is None else list(layers)
        self.cap = cap
        self.cap_rule = cap_rule
        self.seed = seed
        self.own_query_mean = own_query_mean
        self.buckets = 1 if self.layers is None else len(self.layers)
        self._check()
        size = self.buckets * dimensions
        self.weight = torch.nn.Parameter(torch.from_numpy(gaussian(size, hidden, seed)))
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(hidden if layers is None else (self.buckets, hidden)))
        self.query_mean: Tensor | None
        self.register_buffer("query_mean", self.mean.clone() if own_query_mean else None)
        self.idf: Tensor | None
        self.register_buffer("idf", torch.ones(size) if cap_rule == "idf" else None)

    def _check(self) -> None:
        check_numbers(self.dimensions, self.winners, self.query_winners, self.segments)
        if self.level not in LEVELS:
            raise UsageError(f"level is {self.level!r}, wanted one of {', '.join(LEVELS)}")
        if self.cap_rule not in CAP_RULES:
            raise UsageError(f"cap_rule is {self.cap_rule!r}, wanted one of {', '.join(CAP_RULES)}")
        if self.level == "text" and (self.layers is not None or self.cap is not None):
            raise UsageError('layers and cap are of the token level: set level = "token", or leave them out')
        if self.layers is not None and not self.layers:
            raise UsageError("layers is empty, wanted at least one layer, or None for the last")
        if self.cap is not None and self.cap < 1:
            raise UsageError(f"cap is {self.cap}, wanted at least 1, or None for no cap")
        if self.query_winners * self.buckets > MOST_QUERY_WINNERS:
            raise UsageError(
                f"query_winners over {self.buckets} layers are {self.query_winners * self.buckets}, wanted at most "
                f"{MOST_QUERY_WINNERS}, which is what is counted to: lower query_winners, or take fewer layers"
            )

    def set_mean(
        self,
        mean: NDArray[np.floating[Any]] | Tensor,
        query_mean: NDArray[np.floating[Any]] | Tensor | None = None,
    ) -> None:
        """The mean of the vectors the module will be given; what a query has taken off, if not the same.

        Raises `DimensionMismatch` for another shape, `UsageError` for a query mean without `own_query_mean`.
        """
        if query_mean is not None and self.query_mean is None:
            raise UsageError(
                "this head has one mean for queries and documents: make it with own_query_mean = True"
            )
        check_mean(tuple(mean.shape), tuple(self.mean.shape))
        with torch.no_grad():
            self.mean.copy_(torch.as_tensor(mean))
            if self.query_mean is not None:
                of_queries = mean if query_mean is None else query_mean
                check_mean(tuple(of_queries.shape), tuple(self.query_mean.shape))
                self.query_mean.copy_(torch.as_tensor(of_queries))

    def set_idf(self, idf: NDArray[np.floating[Any]] | Tensor) -> None:
        """What a vote for each dimension (N,) is worth under the cap rule "idf"; `UsageError` if it cannot be."""
        if self.idf is None or tuple(idf.shape) != tuple(self.idf.shape):
            raise UsageError(
                f"idf of shape {tuple(idf.shape)} for a head of {len(self.weight)} dimensions whose cap_rule is "
                f'{self.cap_rule!r}: wanted one for each dimension, and cap_rule = "idf"'
            )
        self.idf.copy_(torch.as_tensor(idf))

    def forward(self, features: Features, **kwargs: Any) -> Features:
        """Replace features["sentence_embedding"]; the argument `task`, in training features["task"], tells a query."""
        is_query = (kwargs.get("task") or features.get("task")) == "query"
        if self.level == "text":
            codes = self._text_codes(features["sentence_embedding"], is_query)
        else:
            codes = self._token_codes(self._states(features), features["attention_mask"], is_query)
        return {**features, "sentence_embedding": codes}

    def _text_codes(self, vectors: Tensor, is_query: bool) -> Tensor:
        """vectors (B,H) → codes (B,n)."""
        mask, z, threshold = self._take(vectors, 0, is_query)
        code = straight_through(mask, margins(z, threshold)) if z.requires_grad else mask.to(z.dtype)
        return _spoiled(code.flatten(-2), vectors)

    def _token_codes(self, states: Sequence[Tensor], attention: Tensor, is_query: bool) -> Tensor:
        """One (B,T,H) for each bucket, attention (B,T) → codes (B,N); a text at a time, so that none is padded."""
        rows = []
        for row, real in enumerate(attention.bool()):
            codes = [
                self._token_code(state[row][real], bucket, is_query) for bucket, state in enumerate(states)
            ]
            rows.append(torch.cat(codes))
        return torch.stack(rows)

    def _token_code(self, tokens: Tensor, bucket: int, is_query: bool) -> Tensor:
        """tokens (T,H) of one text and layer → code (n,)."""
        if not len(tokens):
            return self.weight.new_zeros(self.dimensions)
        masks, z, threshold = self._take(tokens, bucket, is_query)
        mask = masks.any(dim=0)
        if not is_query and self.cap is not None and self.cap < self.dimensions:
            mask = mask & self._capped(masks, z, bucket)
        # Of a dimension, the token that came nearest to winning it, or won it by most, is told how it did.
        code = (
            straight_through(mask, margins(z, threshold).amax(dim=0)) if z.requires_grad else mask.to(z.dtype)
        )
        return _spoiled(code.flatten(), tokens.flatten())

    def _take(self, vectors: Tensor, bucket: int, is_query: bool) -> tuple[Tensor, Tensor, Tensor]:
        """vectors (B,H) → mask and z (B,S,n/S), threshold (B,S,1)."""
        first = bucket * self.dimensions
        weight = self.weight[first : first + self.dimensions].float()
        whole = self.query_mean if is_query and self.query_mean is not None else self.mean
        mean = whole if self.layers is None else whole[bucket]
        # In half precision so many z would be equal that the lower dimensions would win by their number.
        with torch.autocast(vectors.device.type, enabled=False):
            z = (vectors.float() - mean.float()) @ weight.T
        z = z.view(len(z), self.segments, -1)
        winners = (self.query_winners if is_query else self.winners) // self.segments
        mask, threshold = take_winners(z, winners)
        return mask, z, threshold

    def _capped(self, masks: Tensor, z: Tensor, bucket: int) -> Tensor:
        """masks and z (T,S,n/S) → mask (S,n/S) of the `cap` best, among them losers only where too few won."""
        assert self.cap is not None
        value = z.detach().masked_fill(~masks, -torch.inf).amax(dim=0)
        worth = value
        if self.cap_rule != "value":
            # A fraction of a vote, growing with the value, so that equal votes go by value.
            worth = masks.sum(dim=0) + 0.5 * value / (1 + value.abs())
            if self.cap_rule == "idf":
                assert self.idf is not None
                first = bucket * self.dimensions
                worth = worth * self.idf[first : first + self.dimensions].view_as(worth)
        worth = worth.masked_fill(~masks.any(dim=0), -torch.inf)
        kept, _ = take_winners(worth.flatten(), self.cap)
        return kept.view_as(worth)

    def _states(self, features: Features) -> list[Tensor]:
        if self.layers is None:
            return [features["token_embeddings"]]
        if "all_layer_embeddings" not in features:
            raise EncoderError(
                "the transformer gives its last layer only, wanted all of them: load it with "
                'config_kwargs={"output_hidden_states": True}'
            )
        states = features["all_layer_embeddings"]
        if max(self.layers) >= len(states) or min(self.layers) < 0:
            raise EncoderError(
                f"layers are {self.layers}, the transformer has 0 (embeddings) to {len(states) - 1}: change layers"
            )
        return [states[layer] for layer in self.layers]

    def get_embedding_dimension(self) -> int:
        """N of the codes."""
        return len(self.weight)

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Settings and weights, as sentence-transformers' own modules are saved."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        init_defaults: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A saved module, with the arguments that sentence-transformers gives; it has no use for `init_defaults`."""
        where: dict[str, Any] = {
            "subfolder": subfolder,
            "token": token,
            "cache_folder": cache_folder,
            "revision": revision,
            "local_files_only": local_files_only,
        }
        module = cls(**cls.load_config(model_name_or_path, **where))
        cls.load_torch_weights(model_name_or_path, model=module, **where)
        return module


def _spoiled(codes: Tensor, inputs: Tensor) -> Tensor:
    """codes (...,N), all of them NaN where inputs (...,H) hold NaN or infinity."""
    return codes.masked_fill(~torch.isfinite(inputs).all(dim=-1, keepdim=True), torch.nan)
