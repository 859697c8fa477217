"""The command `retrieve`: one module per verb, each of which parses, calls the library and prints.

A verb's module is imported when the verb is used, so that `retrieve --help` costs no more than click itself.
"""

from __future__ import annotations

import json

import click

from retrieve.cli.lazy import LazyGroup, Verb
from retrieve.cli.session import Session, fail_by_exit_status, log_to_stderr

VERBS = (
    Verb("index", "retrieve.cli.index", "Make, fill, inspect and repair index folders."),
    Verb("search", "retrieve.cli.search", "Ask one question."),
    Verb("show", "retrieve.cli.show", "Show a document, its passages, and a query's words in it."),
    Verb("analyze", "retrieve.cli.analyze", "Show the terms that a text gives."),
    Verb("run", "retrieve.cli.run", "Answer many queries: a TREC run."),
    Verb("evaluate", "retrieve.cli.evaluate", "Measure a run by judgments."),
    Verb("compare", "retrieve.cli.compare", "Compare runs by judgments, with paired tests."),
    Verb("tune", "retrieve.cli.tune", "Choose an index's search defaults by judged queries."),
    Verb("fuse", "retrieve.cli.fuse", "Make one run of several."),
    Verb("bench", "retrieve.cli.bench", "Build, run and measure a benchmark in one go."),
    Verb("train", "retrieve.cli.train", "Learn from labels, from answers, or from judged queries."),
    Verb("classify", "retrieve.cli.classify", "Label documents or an index, and say why."),
    Verb("answer", "retrieve.cli.answer", "Answer questions with options, and say by which documents."),
    Verb("cache", "retrieve.cli.cache", "Show, check and empty the cache of passage vectors."),
    Verb("demo", "retrieve.cli.demo", "Index Python's own documentation and ask it five questions."),
)


class _Root(LazyGroup):
    def invoke(self, ctx: click.Context) -> None:
        with fail_by_exit_status(ctx):
            super().invoke(ctx)


@click.command(
    cls=_Root,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    no_args_is_help=True,
)
@click.option(
    "--version", is_flag=True, help="Show the version; with --json the processor's form of the core too."
)
@click.option("--json", "as_json", is_flag=True, help="With --version: one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks, only warnings and errors.")
@click.pass_context
def main(ctx: click.Context, *, version: bool, as_json: bool, quiet: bool) -> None:
    """Search text by BM25, by vectors and by both, classify it, and measure how well it went.

    INDEX is a folder, or a name under $RETRIEVE_HOME. Answers go to standard output, everything else to standard
    error. Exit status: 0 done, 1 failed, 2 wrong usage.
    """
    if version:
        _show_version(as_json=as_json)
        ctx.exit()
    if as_json:
        ctx.fail("--json goes with --version here: put a command's own --json behind the command")
    if ctx.invoked_subcommand is None:
        ctx.fail("Missing command.")
    ctx.obj = Session(quiet=quiet)
    ctx.call_on_close(log_to_stderr(quiet=quiet))


def _show_version(*, as_json: bool) -> None:
    from importlib.metadata import version

    release = version("retrieve-engine")
    if not as_json:
        click.echo(f"retrieve, version {release}")
        return
    from retrieve._core import able_forms, form

    click.echo(json.dumps({"version": release, "core": form, "cores": able_forms()}))


__all__ = ["main"]
