"""Random documents with nested, flat, dotted, null and list metadata, filtered by the index and by plain Python.

    python scripts/campaigns/filters.py --documents 100000

Searches, listed ids and deletions must select what the reference of the test suite does (`tests/store_filters.py`),
scanned and from declared columns. A failure prints its filter.
"""

from __future__ import annotations

import inspect
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

import store_filters as reference

from retrieve import Document, Index, Query

Stored = dict[str, dict[str, Any]]

_DECLARED = {"scanned": [], "declared": [name for name in reference.FIELDS if name not in ("b", "a.b.c.a")]}
_BATCH = 2_000
_TEXT = "ruling"


@click.command(help=__doc__)
@click.option("--documents", default=100_000, show_default=True, help="How many documents.")
@click.option("--searches", default=60, show_default=True, help="How many filters are searched with.")
@click.option("--deletions", default=60, show_default=True, help="How many filters are deleted by.")
@click.option("--seed", default=0, show_default=True)
def main(documents: int, searches: int, deletions: int, seed: int) -> None:
    """Run the campaign; exit status 1 if any answer differed."""
    os.fsync = lambda descriptor: None  # nothing here survives a loss of power, nor has to
    logging.getLogger("retrieve").setLevel(
        logging.ERROR
    )  # most of the filters ask for a field that nothing has
    wrong = 0
    for name, fields in _DECLARED.items():
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            chance = random.Random(seed)
            index, stored = _build(Path(folder) / "a.index", fields, documents, chance)
            asked, found, differ = _search(index, stored, searches, chance)
            gone, left, also = _delete(index, stored, deletions, chance)
            wrong += differ + also + _compare_all(index, left)
        print(
            f"{name}: {documents} documents, {asked} filters found {found} documents, {deletions} deleted {gone}: "
            f"{differ + also} differ; {time.monotonic() - started:.0f} s",
            flush=True,
        )
    if wrong:
        sys.exit(f"{wrong} answers differ from the reference")


def _build(folder: Path, fields: list[str], count: int, chance: random.Random) -> tuple[Index, Stored]:
    recipe = {
        "name": "filters",
        "passages": {"unit": "words", "mode": "whole"},
        "bm25": {},
        "segments": {"passages": max(count // 3, 1)},
        "filters": {"fields": fields},
    }
    index = Index.create(folder, recipe)
    stored = {f"d{number:07}": reference.metadata(chance) for number in range(count)}
    with index.writer() as writer:
        writer.add(Document(doc_id, _TEXT, "", metadata) for doc_id, metadata in stored.items())
    return index, stored


def _search(index: Index, stored: Stored, count: int, chance: random.Random) -> tuple[int, int, int]:
    """Every text is the same, so that hits come in the order of their ids."""
    lists_ids = "where" in inspect.signature(index.ids).parameters
    found = differ = 0
    for _ in range(count):
        where = reference.where(chance)
        expected = [doc_id for doc_id, metadata in stored.items() if reference.accepts(where, metadata)]
        found += len(expected)
        hits = [hit.doc_id for hit in index.search(_TEXT, k=100, where=where)]
        ((_, ranking),) = index.run([Query("q", _TEXT)], k=len(stored), where=where).rankings
        answers = {
            "search": (hits, expected[:100]),
            "run": ([doc_id for doc_id, _ in ranking], expected),
        }
        if lists_ids:
            answers["ids"] = (sorted(index.ids(where=where)), expected)  # type: ignore[call-arg]
        for verb, (answer, wanted) in answers.items():
            if answer != wanted:
                differ += 1
                print(
                    f"{verb} where {where!r}: {len(answer)} documents, wanted {len(wanted)}", file=sys.stderr
                )
    return count, found, differ


def _delete(index: Index, stored: Stored, count: int, chance: random.Random) -> tuple[int, Stored, int]:
    """Some deletions a block, between them documents that come back with other metadata and wait to be sealed."""
    left = dict(stored)
    gone = differ = done = 0
    while done < count:
        with index.writer() as writer:
            again = {
                doc_id: reference.metadata(chance) for doc_id in chance.sample(sorted(stored), _some(stored))
            }
            writer.add(Document(doc_id, _TEXT, "", metadata) for doc_id, metadata in again.items())
            left.update(again)
            for where in _deletable(left, min(5, count - done), chance):
                doomed = [doc_id for doc_id, metadata in left.items() if reference.accepts(where, metadata)]
                deleted = writer.delete(where=where)
                if deleted != len(doomed):
                    differ += 1
                    print(
                        f"delete where {where!r}: {deleted} documents, wanted {len(doomed)}", file=sys.stderr
                    )
                for doc_id in doomed:
                    del left[doc_id]
                gone += len(doomed)
                done += 1
    return gone, left, differ


def _some(stored: Stored) -> int:
    return min(_BATCH, len(stored))


def _deletable(left: Stored, count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Filters that a sample says would leave most of the documents."""
    sample = chance.sample(sorted(left), min(300, len(left)))
    while count:
        where = {"and": [reference.where(chance), reference.where(chance)]}
        share = sum(reference.accepts(where, left[doc_id]) for doc_id in sample if doc_id in left)
        if share < 30:
            count -= 1
            yield where


def _compare_all(index: Index, left: Stored) -> int:
    """Whether exactly the documents that are left are there, as they were added, and the index is whole."""
    ids = sorted(index.ids())
    whole = [
        ids == sorted(left),
        all(
            index.get(doc_id) == Document(doc_id, _TEXT, "", left[doc_id])
            for doc_id in ids[:: max(len(ids) // 500, 1)]
        ),
        index.verify() == [],
    ]
    if not all(whole):
        print(
            f"after the deletions {len(ids)} documents are there, wanted {len(left)}: {whole}",
            file=sys.stderr,
        )
    return whole.count(False)


if __name__ == "__main__":
    main()
