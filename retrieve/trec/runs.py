"""Runs: query id, `Q0`, document id, rank, score, tag, one hit on a line.

What is read is anyone's run; what is written is stricter, so that any other program reads the same ranking
from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from retrieve.errors import InputError
from retrieve.trec.lines import bad_line, commas, decoded, is_column, is_rank, read_lines
from retrieve.trec.order import Run, strict_scores
from retrieve.trec.output import replacing


def read_run(path: str | Path) -> Run:
    """Read a run of six columns: query id, `Q0`, document id, rank, score, tag; `-` is standard input.

    Columns after the sixth, carriage returns, blank lines, `#` comments and `.gz` are fine; the rank is
    ignored. `InputError` with file and line: fewer than six columns, a score that is no finite number, a rank
    that is none (an id with a space in it moves all columns by one), a document twice for one query.
    """
    run: Run = {}
    for number, line in read_lines(path):
        fields = line.split()
        if len(fields) < 6:
            raise bad_line(
                path,
                number,
                f"{len(fields)} columns, wanted six: query id, Q0, document id, rank, score, tag"
                + (" (is this a file of judgments?)" if len(fields) == 4 else commas(line)),
            )
        query_id, document_id = decoded(path, number, fields[0], fields[2])
        score = _score(fields[4])
        if not math.isfinite(score):
            raise bad_line(path, number, f"score {fields[4].decode(errors='replace')!r} is no finite number")
        scores = run.setdefault(query_id, {})
        if not is_rank(fields[3]):
            raise bad_line(
                path,
                number,
                f"{len(fields)} columns and the rank {fields[3].decode(errors='replace')!r}: is there a space in an "
                "id? Wanted six: query id, Q0, document id, rank, score, tag",
            )
        if document_id in scores:
            raise bad_line(
                path,
                number,
                f"document {document_id!r} is listed twice for query {query_id!r}: keep one line",
            )
        scores[document_id] = score
    return run


def write_run(
    path: str | Path, rankings: Iterable[tuple[str, Sequence[tuple[str, float]]]], tag: str
) -> None:
    """Write rankings (query id, (document id, score) pairs in our order) as a run; `-` is standard output.

    Scores become float32 and, where two would tie, one float32 step apart, so that they decrease strictly;
    ranks count from 1. The file appears whole or not at all, compressed if its name ends in `.gz`.
    `InputError`: an id or a tag that is empty or holds white space, a query or a document twice, a NaN or
    infinite score, a ranking not in order.
    """
    _check_word("the tag", tag)
    seen: set[str] = set()
    with replacing(path) as file:
        for query_id, ranking in rankings:
            _check_query(query_id, seen)
            lines = _run_lines(query_id, ranking, tag)
            try:
                file.write(lines.encode())
            except UnicodeEncodeError as error:
                raise InputError(f"query {query_id!r}", f"an id or the tag is not UTF-8: {error}") from None


def _score(field: bytes) -> float:
    try:
        return float(field.replace(b"_", b"?"))  # Python alone takes 1_0 for ten
    except ValueError:
        return math.nan


def _run_lines(query_id: str, ranking: Sequence[tuple[str, float]], tag: str) -> str:
    for document_id, _ in ranking:
        _check_word(
            "a document id",
            document_id,
            f"query {query_id!r}",
            "rename the document, as a file whose name is its id, or give it an id of its own in JSON lines, and index "
            "it again",
        )
    scores = strict_scores(query_id, ranking)
    return "".join(
        f"{query_id} Q0 {document_id} {rank} {score!s} {tag}\n"  # !s: the shortest digits that give this float32
        for rank, ((document_id, _), score) in enumerate(zip(ranking, scores, strict=True), start=1)
    )


def _check_query(query_id: str, seen: set[str]) -> None:
    _check_word("a query id", query_id)
    if query_id.startswith("#"):
        raise InputError(f"query {query_id!r}", "a run's line cannot begin with #, as a comment does")
    if query_id in seen:
        raise InputError(f"query {query_id!r}", "ranked twice in one run: rank it once")
    seen.add(query_id)


def _check_word(what: str, word: str, where: str = "", remedy: str = "give it another") -> None:
    if not is_column(word):
        raise InputError(
            where, f"{what} is {word!r}; a run's columns must be neither empty nor hold white space: {remedy}"
        )
    if "\ufeff" in word:
        raise InputError(where, f"{what} is {word!r}; a run cannot hold byte order marks: {remedy}")
