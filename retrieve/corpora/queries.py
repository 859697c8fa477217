"""Queries from every format that benchmarks use.

A query file goes through the same readers as a corpus, so bad input is found and reported in the same words; only the
rule that a query must have text is added here.
"""

from __future__ import annotations

import logging
import re
from itertools import count
from pathlib import Path

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import DEFAULT_OPTIONS, Corpus, ReadOptions, Records
from retrieve.corpora.csv_rows import QUERIES, first_line, read_table, separator_told
from retrieve.corpora.jsonl import filled_lines, read_jsonl
from retrieve.corpora.open import CATALOGUE, find_one
from retrieve.corpora.part import FilePart
from retrieve.corpora.rows import Row, parsed_rows
from retrieve.corpora.sgml import read_topics
from retrieve.corpora.stream import Stream, shown
from retrieve.corpora.tsv import read_tsv_queries
from retrieve.corpora.xml_topics import read_xml_topics
from retrieve.errors import InputError, UsageError
from retrieve.types import Document, Query

_SGML_TOPIC = re.compile(rb"<top\s*>", re.IGNORECASE)
"""TREC's first form of a topic. It is no XML: its fields are rarely closed."""

_FORMS = (
    "; as in a .tsv: q1⇥who is liable; in a .csv: a first line id,text and then q1,who is liable; in a .txt: one "
    "question a line, without ids"
)
_LOOKED_AT = 20
_NUMBERED = re.compile(rb"\s*\d+[\s.,;:)|]")

_log = logging.getLogger("retrieve")


def read_queries(source: str | Path, *, options: ReadOptions = DEFAULT_OPTIONS) -> list[Query]:
    """The queries at `source`, in its order.

    `source` is a BEIR folder (`queries.jsonl`), a file of JSON lines (`_id` or `id`, `text`), of tab-separated id and
    text, a table whose first line names an id and a text (commas, semicolons or tabs), a .txt of one question a line,
    whose ids are 1, 2, …, or TREC topics in SGML (<num>, <title>) or XML, each plain or gzip; `ir_datasets:NAME`; or
    `-`, standard input. `options.topic_fields` chooses the fields of topics that are the query. Raises `InputError`
    with file and line for a bad record: an id that is empty or occurs again, a text that is empty, and what
    `document_from` refuses.
    """
    return [Query(document.id, document.text) for document in _open(source, options)]


def _open(source: str | Path, options: ReadOptions) -> Corpus:
    name = str(source)
    if name.startswith(CATALOGUE):
        from retrieve.corpora.irds import catalogue_queries

        return catalogue_queries(name.removeprefix(CATALOGUE), options)
    if name == "-":
        return Corpus(name, [FilePart.standard_input(_read)], options)
    path = Path(source)
    if path.is_dir():
        found = find_one(path, "queries")
        if found is None:
            raise InputError(
                shown(path), "has no queries.jsonl or queries.jsonl.gz: name the file that has them"
            )
        path = found
    return Corpus(name, [FilePart.at(path, _read)], options)


def _read(stream: Stream, options: ReadOptions) -> Records:
    """By content: names of topic files say nothing (MS MARCO's are .txt and .tsv, TREC's .txt or .101-150)."""
    start = stream.beginning()
    if options.topic_fields and not start.startswith(b"<"):
        raise UsageError(f"--topic-fields is for TREC topics, and {stream.name} has none: take it out")
    if start.startswith(b"{"):
        records = read_jsonl(stream, options)
    elif start.startswith(b"<"):
        sgml = _SGML_TOPIC.search(start) is not None
        records = read_topics(stream, options) if sgml else read_xml_topics(stream, options)
    else:
        records = _read_rows(stream, options)
    for line, outcome in records:
        if isinstance(outcome, InputError) or outcome.text.strip():
            yield Row(line, outcome)
        else:
            yield Row(
                line,
                InputError(
                    f"{stream.name}:{line}", f"query {outcome.id!r} has no text: write it or take it out"
                ),
            )


def _read_rows(stream: Stream, options: ReadOptions) -> Records:
    """The queries of a table, of tab-separated rows, or of a file that has one on each line."""
    heading = first_line(stream)
    name = stream.name.removesuffix(".gz").lower()
    separator = separator_told(heading, QUERIES) or ("," if name.endswith(".csv") else None)
    if separator is not None:
        return read_table(stream, options, separator, QUERIES)
    if name.endswith(".txt") and "\t" not in heading:
        return _one_a_line(stream, options)
    return read_tsv_queries(stream, options, _FORMS)


def _one_a_line(stream: Stream, options: ReadOptions) -> Records:
    """Lines as queries. Raises `InputError` for lines that begin with numbers, which may be ids."""
    begun = [line for line in stream.peek().splitlines()[:_LOOKED_AT] if line.strip()]
    if len(begun) > 1 and all(map(_NUMBERED.match, begun)):
        raise InputError(
            stream.name, f"every line begins with a number: put a tab behind it, or take it out{_FORMS}"
        )
    numbers = count(1)

    def query(line: str, where: str) -> Document:
        if "\t" in line:
            raise InputError(
                where, f"has a tab, and the first line has none: give all lines an id, or none{_FORMS}"
            )
        document = Document(str(next(numbers)), line.strip())
        check_document(document, where)
        return document

    yield from parsed_rows(stream.name, filled_lines(stream, options), query)
    _log.info("%s: one question a line, with the ids 1 to %d", stream.name, next(numbers) - 1)
