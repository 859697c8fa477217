"""Runs and judgments as TREC files, and the two tie orders that matter when they are read and written.

Ours is `(-score, id ascending)`; trec_eval's is single-precision score, then id *descending*, whatever the
rank column says. So runs are written with strictly decreasing float32 scores: every reader then sees one
ranking, ours.
"""

from retrieve.trec.order import Key, Qrels, Run, as_run, ordered, trec_eval_order
from retrieve.trec.qrels import read_qrels
from retrieve.trec.runs import read_run, write_run

__all__ = [
    "Key",
    "Qrels",
    "Run",
    "as_run",
    "ordered",
    "read_qrels",
    "read_run",
    "trec_eval_order",
    "write_run",
]
