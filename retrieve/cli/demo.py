"""`retrieve demo`: the main job, end to end, on text that is on every machine: Python's own documentation strings."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
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

QUESTIONS = (
    "merge several sorted iterables into one",
    "run a command in a child process and capture what it prints",
    "undo changes when leaving a with block even after an exception",
    "compare two files and show which lines differ",
    "keep only the most recent results of an expensive function",
)
HITS = 3
LEAST_OF_PACKAGE = 60
LABEL_SETTINGS = {
    "tfidf.models": ["svm"],
    "tfidf.C": [1.0],
    "tfidf.ngrams": [1],
    "tfidf.balanced": [False],
}

_log = logging.getLogger("retrieve")


@click.command("demo")
@recipe_option
@as_json
def command(recipe: str, *, as_json: bool) -> None:
    """Index the standard library's documentation, ask it five questions by each view, and learn its topics.

    The index stays as `demo` for questions of your own: retrieve search demo "…"
    """
    from retrieve.bench import open_or_create
    from retrieve.passages.encoder import PassageEncoder
    from retrieve.store.paths import home

    resolved = PassageEncoder(recipe).recipe
    name = "demo" if resolved.name == "hybrid" else f"demo-{resolved.name}"
    start = time.perf_counter()
    writes_index()
    with open_or_create(home() / name, resolved) as index:
        with progress_shown() as progress, index.writer(progress) as writer:
            counts = writer.add(public_documentation())
        seconds = time.perf_counter() - start
        _log.info(
            "%s: %s added, %d as they were, %.1f s",
            index.path,
            counted(counts.added + counts.updated, "document"),
            counts.unchanged,
            seconds,
        )
        ways = [*index.recipe.views, *(["hybrid"] if len(index.recipe.views) > 1 else [])]
        answers = [_ask(index, question, ways, show=not as_json) for question in QUESTIONS]
        labels = _label(show=not as_json)
        if as_json:
            info = index.info()
            print_json(
                {
                    "index": str(index.path),
                    "recipe": resolved.name,
                    "documents": info["documents"],
                    "passages": info["passages"],
                    "seconds": round(seconds, 3),
                    "questions": answers,
                    "labels": labels,
                }
            )


def public_documentation() -> Iterator[Document]:
    """What the library documents for its users: no part of the dotted name begins with an underscore."""
    from retrieve.corpora.pydocs import PythonDocs

    for document in PythonDocs():
        module, qualname, _ = document.id.split(":")
        parts = [*module.split("."), *qualname.split(".")]
        if not any(part.startswith("_") or part == "<locals>" for part in parts):
            yield document


def _ask(index: Index, question: str, ways: list[str], *, show: bool) -> dict[str, Any]:
    from retrieve.kernels import clock

    answer: dict[str, Any] = {"question": question, "hits": {}, "seconds": {}}
    if show:
        click.echo(click.style(f"\n{question}?", bold=True))
    for way in ways:
        start = clock()
        hits = index.search(question, HITS, using=way)
        answer["seconds"][way] = round(clock() - start, 4)
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
    from dataclasses import asdict

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
