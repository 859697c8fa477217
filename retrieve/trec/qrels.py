"""Judgments ("qrels"): which document is how relevant to which query, as TREC or BEIR writes them.

The form is told by the first line, never by the file's name. A pair judged twice is an error even with the
same grade: counts of judgments would differ from one program to the next.
"""

from __future__ import annotations

from pathlib import Path

from retrieve.trec.lines import bad_line, decoded, read_lines
from retrieve.trec.order import Qrels


def read_qrels(path: str | Path) -> Qrels:
    """Read judgments: TREC's four columns (query id, iteration, document id, grade), or BEIR's table
    (header `query-id corpus-id score`, tab separated); `-` is standard input.

    `InputError` with file and line: another number of columns, a grade that is no integer, a pair judged
    twice.
    """
    qrels: Qrels = {}
    judged: dict[tuple[str, str], int] = {}
    table = False
    for number, line in read_lines(path):
        if not judged and not table and line.split()[:1] == [b"query-id"]:
            table = True
            continue
        query_id, document_id, grade = _judgment(path, number, line, table=table)
        first = judged.setdefault((query_id, document_id), number)
        if first != number:
            raise bad_line(
                path,
                number,
                f"document {document_id!r} was judged for query {query_id!r} on line {first}: keep one line",
            )
        qrels.setdefault(query_id, {})[document_id] = grade
    return qrels


def _judgment(path: str | Path, number: int, line: bytes, *, table: bool) -> tuple[str, str, int]:
    if table:
        fields = [field.strip() for field in line.split(b"\t")]
        wanted = "three, tab separated: query id, document id, grade"
    else:
        fields = line.split()
        wanted = "four: query id, iteration, document id, grade (or BEIR's header first)"
    if len(fields) != (3 if table else 4) or not all(fields):
        raise bad_line(path, number, f"{len(fields)} columns, wanted {wanted}")
    query_id, document_id = decoded(path, number, fields[0], fields[-2])
    try:
        grade = int(fields[-1].replace(b"_", b"?"))  # Python alone takes 1_0 for ten
    except ValueError:
        raise bad_line(path, number, f"grade {fields[-1].decode(errors='replace')!r} is no integer") from None
    return query_id, document_id, grade
