"""`retrieve train`: the verbs that learn something from judged queries, one module each."""

from __future__ import annotations

import click

from retrieve.cli.lazy import LazyGroup, Verb

VERBS = (Verb("uhd", "retrieve.cli.train.uhd", "A head for UHD, kept if it beats the untrained one."),)


@click.command(cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Learn from a collection's text and judged queries."""
