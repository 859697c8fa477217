"""Options that several verbs share. A search option that is not given is not passed on: the recipe has its default,
and what cannot work is refused by the library, in one place for every caller.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from retrieve.errors import UsageError
from retrieve.measures import DEFAULT_MEASURES

Command = TypeVar("Command", bound=Callable[..., Any])


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> str | list[str] | None:
    if value is None or "," not in value:
        return value
    return [name.strip() for name in value.split(",")]


def _weights(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, float] | None:
    if value is None:
        return None
    weights: dict[str, float] = {}
    for item in value.split(","):
        name, separator, number = item.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            separator = ""
        if not separator:
            raise click.BadParameter(f"{item!r}: wanted view=number, as in bm25=1,dense=2")
    return weights


_SEARCH = (
    click.option("--using", callback=_names, metavar="VIEWS", help="Views, as in bm25,dense; hybrid: all."),
    click.option("--where", metavar="JSON", help='Filter on metadata, as in \'{"year": {"gte": 2015}}\'.'),
    click.option("--aggregate", metavar="HOW", help="Passages to documents: max, first, sum, mean or top3."),
    click.option("--fusion", metavar="HOW", help="convex (min-max), z (z-scores) or rrf."),
    click.option(
        "--adapt/--no-adapt",
        default=None,
        help="Weigh an encoder less where it has a query's words in pieces.",
    ),
    click.option("--weights", callback=_weights, metavar="WEIGHTS", help="As in bm25=1,dense=2."),
    click.option("--depth", type=int, help="Documents that each view supplies to the fusion."),
    click.option("--k1", type=float, help="BM25's k1."),
    click.option("--b", type=float, help="BM25's b."),
    click.option("--query-terms", type=int, help="Terms that BM25 keeps of a long query."),
    click.option(
        "--rm3/--no-rm3", default=None, help="Expand BM25's query by terms of what it finds, and ask again."
    ),
    click.option("--fb-docs", type=int, help="Documents that RM3 reads."),
    click.option("--fb-terms", type=int, help="Terms that it takes of them."),
    click.option("--original-weight", type=float, help="Weight of the query's own terms in RM3, 0 to 1."),
    click.option("--ef-search", type=int, help="Effort of an HNSW search."),
    click.option("--nprobe", type=int, help="Lists that an IVF search visits."),
    click.option("--oversample", type=int, help="Candidates by sign bits for each hit of a binary index."),
    click.option("--query-winners", type=int, help="Dimensions that a query of a UHD view keeps."),
    click.option(
        "--rerank", "reranker", metavar="MODEL", help="A cross-encoder that orders the first hits anew."
    ),
    click.option("--rerank-depth", type=int, help="How many hits it reads."),
)


def _fields(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name for part in (value or "").split(",") if (name := part.strip()))


topic_fields_option = click.option(
    "--topic-fields",
    callback=_fields,
    metavar="NAMES",
    help="Fields of TREC topics that are the query, joined, as in title,description.",
)

unit_option = click.option("--unit", metavar="UNIT", help="What a hit is: document or passage.")

model_option = click.option("--model", metavar="FOLDER", help="Where the index's encoder is, if it moved.")

encoder_option = click.option(
    "--encoder", metavar="MODEL", help="The encoder's folder or name, in place of the recipe's."
)

runtime_options = (
    click.option("--backend", metavar="NAME", help="What runs the encoder: torch or openvino."),
    click.option("--precision", metavar="NAME", help="In which numbers: fp32, bf16, fp16 or int8."),
)

device_option = click.option(
    "--device", metavar="NAME", help="Where torch computes: cpu, cuda:1, …; else a GPU if there is one."
)

cache_option = click.option(
    "--cache/--no-cache", default=True, help="Use, and add to, the passage vectors kept on this machine."
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="How many processes build segments.",
)


def _recipe_names(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """What the shell completes: recipes that are shipped, else files."""
    from retrieve.recipe import shipped

    return completed(begun, shipped())


def completed(begun: str, names: Iterable[str]) -> list[CompletionItem]:
    """The names that begin so; where none does, whatever files there are."""
    found = [CompletionItem(name) for name in names if name.startswith(begun)]
    return found or [CompletionItem(begun, type="file")]


recipe_option = click.option(
    "--recipe",
    default="hybrid",
    show_default=True,
    help="A shipped recipe's name, or a .toml file.",
    shell_complete=_recipe_names,
)

recipe_options = (
    recipe_option,
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a key of the recipe, as in passages.size=128.",
    ),
)

measure_option = click.option(
    "-m",
    "--measure",
    "measures",
    multiple=True,
    metavar="MEASURE",
    default=DEFAULT_MEASURES,
    show_default=True,
    help="A measure by its ir-measures or trec_eval name; as often as wanted.",
)

relevance_option = click.option(
    "--relevance-level",
    type=int,
    default=1,
    show_default=True,
    help="Least grade that is relevant to a binary measure.",
)

page_option = click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Also one self-contained page.",
)

split_option = click.option(
    "--split", default="test", show_default=True, help="Which judgments of a dataset."
)

drop_self_option = click.option(
    "--drop-self", is_flag=True, help="Leave out the document whose id is the query's own."
)


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator; the help lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


search_options = with_options(*_SEARCH)


def typed_beside(*alike: str) -> str | None:
    """The first parameter of this verb, other than some, that was typed; it would be passed over in silence."""
    context = click.get_current_context()
    typed = (
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
    return next((name for name in typed if name not in alike), None)


def with_runtime(
    recipe: str,
    overrides: tuple[str, ...],
    backend: str | None,
    precision: str | None,
    encoder: str | None = None,
) -> tuple[str, ...]:
    """The recipe's overrides with those of `runtime_options` and `encoder_option`, for whichever of its views has an
    encoder.
    """
    asked = given({"encoder": encoder, "backend": backend, "precision": precision})
    if not asked:
        return overrides
    from retrieve.recipe import load_recipe
    from retrieve.views.registry import views_of

    found = views_of(load_recipe(recipe, overrides))
    views = [name for name, view in found.items() if view.encoding is not None]
    if not views:
        raise click.UsageError(
            f"recipe {recipe!r} has no view with an encoder: leave out --{next(iter(asked))}"
        )
    # In quotes, or a folder called 1 would be a number.
    named = [
        f"{view}.{'model' if key == 'encoder' else key}={json.dumps(value, ensure_ascii=False)}"
        for view in views
        for key, value in asked.items()
    ]
    return (*overrides, *named)


def command_line() -> str:
    """This command as it was typed, for a page that says how it was made."""
    return shlex.join(["retrieve", *sys.argv[1:]])


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def parsed_settings(settings: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """`key=value` pairs as settings; a value that is neither TOML nor a JSON object is a string.

    Raises `UsageError` for another form.
    """
    import tomllib

    found: dict[str, Any] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"{option} {setting!r}: wanted key=value, as in passages.most=32")
        try:
            found[key.strip()] = tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = _object_or_text(text.strip())
    return found


def _object_or_text(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith("{") else text
    except ValueError:
        return text
