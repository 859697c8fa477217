"""`retrieve analyze`: the terms that a text gives, beside the words they come from: why something is found, or not."""

from __future__ import annotations

import click

from retrieve.cli.options import recipe_options, with_options
from retrieve.cli.output import as_json, print_json, print_table
from retrieve.cli.query_text import query_text
from retrieve.errors import UsageError


@click.command("analyze")
@click.argument("text", nargs=-1, required=True)
@with_options(*recipe_options)
@as_json
def command(text: tuple[str, ...], recipe: str, overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Print the words of TEXT and the terms that BM25 makes of them; a stop word gives none.

    Several words are one text; - reads it from standard input.
    """
    from retrieve.recipe import load_recipe
    from retrieve.search.snippets import cached_analyzer
    from retrieve.text.word_terms import word_terms

    resolved = load_recipe(recipe, overrides)
    if resolved.bm25 is None:
        raise UsageError(f"recipe {resolved.name!r} has no BM25 view: it makes no terms of a text")
    given = query_text(text)
    words = list(word_terms(given, cached_analyzer(resolved.analysis)))
    if as_json:
        print_json(
            {
                "recipe": resolved.name,
                "language": resolved.bm25.language,
                "words": [
                    {"word": given[start:end], "start": start, "end": end, "terms": list(terms)}
                    for start, end, terms in words
                ],
            }
        )
    else:
        print_table(
            ("word", "terms"), [(given[start:end], " ".join(terms) or "–") for start, end, terms in words]
        )
