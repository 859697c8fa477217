"""A benchmark in one value: documents, queries and judgments, of a BEIR folder, MS MARCO's files, or `ir_datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.corpus import DEFAULT_OPTIONS, Corpus, ReadOptions
from retrieve.corpora.msmarco import collection_file, judged_split
from retrieve.corpora.open import CATALOGUE, open_corpus
from retrieve.corpora.queries import read_queries
from retrieve.corpora.stream import shown
from retrieve.errors import InputError
from retrieve.types import Query


class Dataset(NamedTuple):
    """`queries` are all of them; those that are judged in the split are the keys of `qrels`."""

    name: str
    corpus: Corpus
    queries: list[Query]
    qrels: dict[str, dict[str, int]]


def read_dataset(
    source: str | Path, split: str = "test", *, options: ReadOptions = DEFAULT_OPTIONS
) -> Dataset:
    """The benchmark at `source`: a BEIR folder with `qrels/<split>.tsv`, a folder of MS MARCO's files (see
    `corpora.msmarco`), or `ir_datasets:NAME`.

    A catalogue name that has no judgments of its own stands for its part `NAME/<split>`. Raises `InputError` if
    there is no such split, naming those that are there.
    """
    name = str(source)
    if name.startswith(CATALOGUE):
        return _from_catalogue(name.removeprefix(CATALOGUE), split, options)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            shown(folder),
            f"is not a folder; wanted a BEIR folder, one of MS MARCO's files, or {CATALOGUE}NAME",
        )
    from retrieve.trec import read_qrels

    if collection_file(folder) is not None:
        files = judged_split(folder, split)
        queries = read_queries(files.queries, options=options)
        return Dataset(
            folder.resolve().name, open_corpus(folder, options=options), queries, read_qrels(files.qrels)
        )
    corpus = open_corpus(folder, format="beir", options=options)
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        splits = ", ".join(sorted(path.stem for path in folder.glob("qrels/*.tsv"))) or "none"
        raise InputError(shown(path), f"there is no split {split!r}; splits in the folder: {splits}")
    return Dataset(folder.resolve().name, corpus, read_queries(folder, options=options), read_qrels(path))


def read_judged(source: str | Path, *, options: ReadOptions = DEFAULT_OPTIONS) -> Dataset:
    """As `read_dataset`, with the judgments of all splits of a BEIR folder united, and the judged queries only.

    A catalogue name stands for the judgments that it has itself. Raises `InputError` if there are none, or if a judged
    query has no text.
    """
    folder = Path(source)
    splits = sorted(path.stem for path in folder.glob("qrels/*.tsv"))
    if str(source).startswith(CATALOGUE) or not splits:
        data = read_dataset(source, options=options)  # which says what is missing
    else:
        parts = [read_dataset(folder, split, options=options) for split in splits]
        data = parts[0]
        for part in parts[1:]:
            for query, grades in part.qrels.items():
                data.qrels.setdefault(query, {}).update(grades)
    queries = [query for query in data.queries if query.id in data.qrels]
    without = data.qrels.keys() - {query.id for query in queries}
    if without:
        raise InputError(
            data.name, f"{len(without)} judged queries have no text, the first is {min(without)!r}"
        )
    return data._replace(queries=queries)


def _from_catalogue(name: str, split: str, options: ReadOptions) -> Dataset:
    from retrieve.corpora.irds import catalogue_corpus, catalogue_qrels, has

    if not has(name, "qrels") and has(f"{name}/{split}", "qrels"):
        name = f"{name}/{split}"
    queries = read_queries(CATALOGUE + name, options=options)
    return Dataset(name, catalogue_corpus(name, options), queries, catalogue_qrels(name))
