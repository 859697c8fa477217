"""How good a head's codes are: exact search by brute force, nDCG@10 by query, and how evenly dimensions are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from retrieve.measures.evaluate import measured
from retrieve.measures.names import parse_measures
from retrieve.train.training_data import IntArray, Material
from retrieve.trec import as_run

MEASURE = "nDCG@10"
DEPTH = 10
BLOCK = 2048  # documents whose codes are in memory at once: 64 MB at 8,192 dimensions
TEXTS = 64  # texts in one go through a student, few enough for states of tokens


class Usage(NamedTuple):
    """Of all winners of a collection's documents: entropy over the dimensions as a share of the most there can be
    (1: all win alike), and the share of dimensions that never win."""

    entropy: float
    dead: float


def usage(student: Any, rows: IntArray) -> Usage:
    """How a student's document codes of these rows use its dimensions."""
    used = torch.stack([block.double().sum(dim=0) for block in _blocks(student, rows, "document")]).sum(dim=0)
    share = used / used.sum().clamp_min(1)
    entropy = float(torch.special.entr(share).sum()) / float(np.log(len(used)))
    return Usage(entropy, float((used == 0).double().mean()))


def per_query(student: Any, material: Material, queries: Sequence[str]) -> dict[str, float]:
    """Query id → nDCG@10 over all documents, ties by document id."""
    asked = np.array([material.query_rows[query] for query in queries], dtype=np.int64)
    codes = codes_of(student, asked, "query")
    best = top(codes, _blocks(student, material.documents(), "document"), DEPTH)
    rankings = [
        (query, [(material.doc_ids[row], count) for row, count in found])
        for query, found in zip(queries, best, strict=True)
    ]
    qrels = {query: material.qrels[query] for query in queries}
    return measured(as_run(rankings), qrels, parse_measures([MEASURE])).per_query[MEASURE]


def top(queries: Tensor, blocks: Iterator[Tensor], k: int) -> list[list[tuple[int, float]]]:
    """Codes (Q,N) of queries and blocks (C,N) of documents' → for each query its k best (row, shared winners).

    Rows count through the blocks; equal counts go by row. Documents that share nothing are no hits.
    """
    counts = torch.zeros(len(queries), 0)
    rows = torch.zeros(len(queries), 0, dtype=torch.int64)
    start = 0
    for block in blocks:
        here = torch.arange(start, start + len(block)).expand(len(queries), -1)
        start += len(block)
        counts = torch.cat([counts, queries @ block.T], dim=1)
        rows = torch.cat([rows, here], dim=1)
        # Rows rise from left to right at all times, and a stable sort keeps them so among equals.
        order = counts.sort(dim=1, descending=True, stable=True).indices[:, :k]
        counts, rows = counts.gather(1, order), rows.gather(1, order)
    return [
        [(row, count) for row, count in zip(found, scores, strict=True) if count > 0]
        for found, scores in zip(rows.tolist(), counts.tolist(), strict=True)
    ]


def codes_of(student: Any, rows: IntArray, task: str) -> Tensor:
    """Codes (B,N) of the rows by a student; `task` is "query" or "document"."""
    return torch.cat(list(_blocks(student, rows, task)))


@torch.inference_mode()
def _blocks(student: Any, rows: IntArray, task: str) -> Iterator[Tensor]:
    """Codes (C,N) of the rows, on the processor, `BLOCK` at a time."""
    student.eval()
    for start in range(0, len(rows), BLOCK):
        yield torch.cat(list(_codes(student, rows[start : start + BLOCK], task)))


def _codes(student: Any, rows: IntArray, task: str) -> Iterator[Tensor]:
    for start in range(0, len(rows), TEXTS):
        features = student.preprocess([str(row) for row in rows[start : start + TEXTS]], task=task)
        placed = {
            name: value.to(student.device) if isinstance(value, Tensor) else value
            for name, value in features.items()
        }
        yield student(placed, task=task)["sentence_embedding"].cpu()
