"""`retrieve demo`: the main job, end to end, on text that is on every machine: Python's own documentation strings."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.hits import hit_json, show_hits
from retrieve.cli.options import recipe_option
from retrieve.cli.output import as_json, counted, print_json, snippet
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import writes_index
from retrieve.types import Document, LabelledDocument, LabelSet

if TYPE_CHECKING:
    from retrieve.api import Index
    from retrieve.corpora.labelled.records import LabelledData
    from retrieve.passages.encoder import PassageEncoder
    from retrieve.recipe import Recipe

QUESTIONS = (
    "merge several sorted iterables into one",
    "run a command in a child process and capture what it prints",
    "undo changes when leaving a with block even after an exception",
    "compare two files and show which lines differ",
    "keep only the most recent results of an expensive function",
)
HITS = 3
SAMPLE = 1_000
"""Passages that are encoded without --all, which takes about a minute on two cores."""
MODULES = (
    "heapq", "subprocess", "contextlib", "difflib", "functools", "itertools", "collections", "filecmp", "bisect",
    "shutil", "pathlib", "tempfile", "json", "csv", "random", "statistics", "threading", "queue", "argparse",
)  # fmt: skip
"""The sample begins with these, and goes on in the order of the library."""
LEAST_OF_PACKAGE = 60
LABEL_SETTINGS = {
    "tfidf.models": ["svm"],
    "tfidf.C": [1.0],
    "tfidf.ngrams": [1],
    "tfidf.balanced": [False],
}

_log = logging.getLogger("retrieve")


@dataclass(frozen=True)
class Part:
    """An index of the demonstration: where it is, what it holds, how long that took, and its answers."""

    index: str
    recipe: str
    documents: int
    passages: int
    seconds: float
    questions: list[dict[str, Any]]


@click.command("demo")
@recipe_option
@click.option(
    "--all", "everything", is_flag=True, help="Encode all of it, and not a sample of 1,000 passages."
)
@as_json
def command(recipe: str, *, everything: bool, as_json: bool) -> None:
    """Index the standard library's documentation, ask it five questions by each view, and learn its topics.

    Words are indexed first, as that takes seconds; vectors are of a sample unless --all is given. The index stays as
    `demo` for questions of your own: retrieve search demo "…"
    """
    from retrieve.passages.encoder import PassageEncoder
    from retrieve.recipe import load_recipe

    writes_index()
    documents = list(public_documentation())
    asked = PassageEncoder(recipe)
    parts = []
    if asked.recipe.encoding is not None:
        parts.append(_part(load_recipe("bm25"), documents, show=not as_json))
        if not everything:
            documents = sample(documents, asked)
            _log.info("vectors of %s: --all encodes the whole library", counted(len(documents), "document"))
    parts.append(_part(asked.recipe, documents, show=not as_json))
    labels = _label(show=not as_json)
    if as_json:
        *words, last = (asdict(part) for part in parts)
        print_json({**last, "words": words[0] if words else None, "labels": labels})
    else:
        click.echo(_NEXT)


_NEXT = """
With files of your own, a folder of text, Markdown, HTML, PDF or Word files:
  retrieve index create mine.index FOLDER
  retrieve search mine.index "a question"
  retrieve train classifier FOLDER --out mine.model    # with one sub-folder a label"""


def _part(recipe: Recipe, documents: list[Document], *, show: bool) -> Part:
    """Make or fill the index of a recipe, and ask it."""
    from retrieve.bench import open_or_create
    from retrieve.store.paths import home

    start = time.perf_counter()
    with open_or_create(home() / _name(recipe), recipe) as index:
        with progress_shown() as progress, index.writer(progress) as writer:
            counts = writer.add(documents)
        seconds = time.perf_counter() - start
        _log.info(
            "%s: %s added, %d as they were, %.1f s",
            index.path,
            counted(counts.added + counts.updated, "document"),
            counts.unchanged,
            seconds,
        )
        ways = [*recipe.views, *(["hybrid"] if len(recipe.views) > 1 else [])]
        answers = [_ask(index, question, ways, show=show) for question in QUESTIONS]
        info = index.info()
        return Part(
            str(index.path), recipe.name, info["documents"], info["passages"], round(seconds, 3), answers
        )


def _name(recipe: Recipe) -> str:
    return "demo" if recipe.name == "hybrid" else f"demo-{recipe.name}"


def sample(documents: list[Document], passages: PassageEncoder) -> list[Document]:
    """Documents of about `SAMPLE` passages, those of `MODULES` first, in the order of the library again."""
    rank = {name: place for place, name in enumerate(MODULES)}

    def place(number: int) -> tuple[int, int]:
        package = str(documents[number].metadata["module"]).partition(".")[0]
        return rank.get(package, len(MODULES)), number

    chosen, number_of = [], 0
    for number in sorted(range(len(documents)), key=place):
        number_of += len(passages.split([documents[number]])[0].spans)
        if number_of > SAMPLE:
            break
        chosen.append(number)
    return [documents[number] for number in sorted(chosen)]


def public_documentation() -> Iterator[Document]:
    """What the library documents for its users: no part of the dotted name begins with an underscore."""
    from retrieve.corpora.pydocs import PythonDocs

    for document in PythonDocs():
        module, qualname, _ = document.id.split(":")
        parts = [*module.split("."), *qualname.split(".")]
        if not any(part.startswith("_") or part == "<locals>" for part in parts):
            yield document


def _ask(index: Index, question: str, ways: list[str], *, show: bool) -> dict[str, Any]:

    answer: dict[str, Any] = {"question": question, "hits": {}, "seconds": {}}
    if show:
        click.echo(click.style(f"\n{question}?", bold=True))
    for way in ways:
        start = time.perf_counter()
        hits = index.search(question, HITS, using=way)
        answer["seconds"][way] = round(time.perf_counter() - start, 4)
        answer["hits"][way] = [hit_json(hit) for hit in hits]
        if show:
            click.echo(click.style(f"  by {way}", underline=True))
            show_hits(hits, {})
            _log.info("%s: %.0f ms", way, answer["seconds"][way] * 1000)
    return answer


def packages() -> LabelledData:
    """Public documentation, labelled with its top-level package, of those that have enough of it."""
    from retrieve.corpora.labelled.records import LabelledData

    by_package: dict[str, list[LabelledDocument]] = {}
    for document in public_documentation():
        name = str(document.metadata["module"]).partition(".")[0]
        by_package.setdefault(name, []).append(LabelledDocument(document, (name,)))
    enough = {name: found for name, found in sorted(by_package.items()) if len(found) >= LEAST_OF_PACKAGE}
    documents = [document for found in enough.values() for document in found]
    return LabelledData("python:", "multiclass", LabelSet(tuple(enough)), documents, [], [], [], 0, {}, [])


def _label(*, show: bool) -> dict[str, Any]:
    """Learn from four fifths of the modules' documentation which package a text is of; measure it on the rest."""
    from retrieve.classify.classifier import Classifier
    from retrieve.classify.compare import with_test
    from retrieve.classify.measured import see, train_counts
    from retrieve.measures.label_counts import averaged, counts

    start = time.perf_counter()
    data, _ = with_test(packages(), 0)
    with progress_shown() as progress:
        classifier = Classifier("tfidf", settings=LABEL_SETTINGS, task="multiclass", labels=data.labels)
        classifier.fit(data.train, progress=progress)
    outcome = see(classifier, data.test, train_counts(classifier, data.train)).outcome
    found = float(averaged(counts(outcome.targets, outcome.chosen), "micro_f1"))
    longest = max(data.test, key=lambda one: len(one.document.text))
    (why,) = classifier.explain([longest])
    seconds = time.perf_counter() - start
    if show:
        click.echo(click.style(f"\nWhich of {len(data.labels.names)} packages is a text of?", bold=True))
        click.echo(
            f"  learned from {len(data.train):,} texts in {seconds:.1f} s: "
            f"micro-F1 on {len(data.test):,} others {found:.3f}"
        )
        click.echo(f"  {why.doc_id}: {why.label}, probability {why.probability:.2f}, because of")
        for passage in why.passages:
            click.echo(
                f"    {passage.effect:+.3f} [{passage.start}–{passage.end}] {snippet(passage.text, 100)}"
            )
    return {
        "train": len(data.train),
        "test": len(data.test),
        "labels": list(data.labels.names),
        "micro_f1": round(found, 4),
        "explained": asdict(why),
        "seconds": round(seconds, 3),
    }
