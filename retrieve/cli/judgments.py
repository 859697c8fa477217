"""Judgments by whatever name a user gives them: a qrels file, or a dataset that has them for a split."""

from __future__ import annotations

from pathlib import Path

from retrieve.corpora.dataset import read_dataset
from retrieve.corpora.open import CATALOGUE
from retrieve.trec import Qrels, read_qrels


def read_judgments(source: str, split: str) -> Qrels:
    """A TREC or BEIR qrels file, a BEIR folder's split, or `ir_datasets:NAME`; `-` is standard input."""
    if source.startswith(CATALOGUE) or Path(source).is_dir():
        return read_dataset(source, split).qrels
    return read_qrels(source)
