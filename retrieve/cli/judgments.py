"""Judgments by whatever name a user gives them, and a run that is to be measured by them: neither may be empty."""

from __future__ import annotations

from pathlib import Path

from retrieve.corpora.dataset import read_dataset
from retrieve.corpora.open import CATALOGUE
from retrieve.errors import InputError, UsageError
from retrieve.measures.stream import no_hits
from retrieve.trec import Qrels, Run, read_qrels, read_run


def read_judgments(source: str, split: str) -> Qrels:
    """A TREC or BEIR qrels file, a BEIR folder's split, or `ir_datasets:NAME`; `-` is standard input.

    `InputError`: it cannot be read, or holds no judgment. `UsageError`: a split of a file, which has none.
    """
    if source.startswith(CATALOGUE) or Path(source).is_dir():
        return read_dataset(source, split).qrels
    if split != "test":
        raise UsageError(
            f"--split {split} goes with a dataset, and {source} is a file of judgments: leave it out"
        )
    qrels = read_qrels(source)
    if not qrels:
        raise InputError(
            source, "holds no judgments: wanted lines of query id, iteration (or none), document id, grade"
        )
    return qrels


def read_hits(path: str) -> Run:
    """A TREC run. `InputError`: it cannot be read, or holds no hit."""
    run = read_run(path)
    if not run:
        raise no_hits(path)
    return run
