"""A click group whose verbs are a table: their help is printed without importing them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from retrieve.errors import did_you_mean


class Verb(NamedTuple):
    """A command's name, the module that has it under the name `command`, and its line of help."""

    name: str
    module: str
    help: str


class LazyGroup(click.Group):
    """Imports a verb's module when the verb is used."""

    def __init__(self, *, verbs: Sequence[Verb], **settings: Any) -> None:
        super().__init__(**settings)
        self._verbs = {verb.name: verb for verb in verbs}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, which is that of use."""
        return list(self._verbs)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's, with the verb that was meant: click itself knows only those that are loaded."""
        if args[0] not in self._verbs and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{did_you_mean(args[0], self._verbs)}.")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or None if there is none of that name."""
        verb = self._verbs.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = import_module(verb.module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, as click prints commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb.name, verb.help) for verb in self._verbs.values()])
