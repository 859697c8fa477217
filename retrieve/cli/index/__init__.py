"""`retrieve index`: the verbs that make, fill, inspect and repair index folders, one module each."""

from __future__ import annotations

import click

from retrieve.cli.lazy import LazyGroup, Verb

VERBS = (
    Verb("create", "retrieve.cli.index.create", "Make an index, and fill it if sources are named."),
    Verb("add", "retrieve.cli.index.add", "Add documents, or update them."),
    Verb("delete", "retrieve.cli.index.delete", "Delete documents by id or by filter."),
    Verb("info", "retrieve.cli.index.info", "Counts, sizes, recipe and encoder."),
    Verb("ids", "retrieve.cli.index.ids", "The ids of documents, all or those that a filter selects."),
    Verb("sample", "retrieve.cli.index.sample", "Some passages as they were cut, and their terms."),
    Verb("verify", "retrieve.cli.index.verify", "Check every byte."),
    Verb("merge", "retrieve.cli.index.merge", "Rewrite segments as fewer, without deleted rows."),
    Verb("upgrade", "retrieve.cli.index.upgrade", "Bring an index to the current format."),
    Verb("list", "retrieve.cli.index.list", "Indexes under $RETRIEVE_HOME."),
)


@click.command(cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Make, fill, inspect and repair index folders."""
