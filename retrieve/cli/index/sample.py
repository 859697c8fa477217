"""`retrieve index sample`: passages as they were cut and the terms they gave, to see what a recipe does to a corpus."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, counted, one_line, print_json


@click.command("sample")
@click.argument("index", type=click.Path())
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=5, show_default=True, help="How many passages."
)
@as_json
def command(index: str, count: int, *, as_json: bool) -> None:
    """Print passages from all over INDEX, and the terms that BM25 makes of each with its title."""
    from retrieve.api import Index
    from retrieve.search.snippets import cached_analyzer
    from retrieve.text.splitter import with_title

    with Index.open(index) as opened:
        passages = opened.sample(count)
        titles = opened.get_many(passage.doc_id for passage in passages)
        recipe = opened.recipe
    analyzer = None if recipe.bm25 is None else cached_analyzer(recipe.analysis)
    records = []
    for passage, document in zip(passages, titles, strict=True):
        assert document is not None
        fed = with_title(document, passage.text, passage.position, title=recipe.passages.title)
        records.append(
            passage._asdict()
            | {"title": document.title, "terms": None if analyzer is None else analyzer.terms(fed)}
        )
    if as_json:
        print_json({"index": index, "passages": records})
        return
    for record in records:
        place = f"passage {record['position'] + 1:,}, characters {record['start']:,} to {record['end']:,}"
        click.echo(click.style(f"{one_line(record['doc_id'])}  {place}", bold=True))
        click.echo(f"  {one_line(record['text'])}")
        if record["terms"] is not None:
            click.echo(
                click.style(f"  {counted(len(record['terms']), 'term')}: ", dim=True)
                + " ".join(record["terms"])
            )
