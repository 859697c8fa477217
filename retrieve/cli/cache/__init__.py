"""`retrieve cache`: the verbs that show, check and empty the cache of passage vectors, one module each."""

from __future__ import annotations

import click

from retrieve.cli.lazy import LazyGroup, Verb

VERBS = (
    Verb("info", "retrieve.cli.cache.info", "What is cached, of which encoders."),
    Verb("verify", "retrieve.cli.cache.verify", "Check every byte."),
    Verb("prune", "retrieve.cli.cache.prune", "Remove what is old, damaged or too much."),
)


@click.command(cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Show, check and empty the cache of passage vectors: $RETRIEVE_CACHE, or the user's folder of caches."""
