"""`retrieve train`: the verbs that learn something from labels, answers or judged queries, one module each."""

from __future__ import annotations

import click

from retrieve.cli.lazy import LazyGroup, Verb

VERBS = (
    Verb(
        "classifier", "retrieve.cli.train.classifier", "A classifier of long documents, from labelled ones."
    ),
    Verb("vod", "retrieve.cli.train.vod", "A retriever and a reader of questions with options, together."),
    Verb(
        "retriever",
        "retrieve.cli.train.retriever",
        "Of a VOD model: an encoder to search by the question alone.",
    ),
    Verb("uhd", "retrieve.cli.train.uhd", "A head for UHD, kept if it beats the untrained one."),
)


@click.command(cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Learn from labelled documents, from questions with answers, or from judged queries."""
