"""The command line as tests call it: in this process, with everything it printed in the message of a failure."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from retrieve.cli import main


def call(*arguments: object, status: int = 0, stdin: str | bytes | None = None) -> Result:
    """One command, which has to end with this status."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
    return result


def answer(*arguments: object) -> dict[str, Any]:
    """The one JSON object on standard output."""
    value = json.loads(call(*arguments, "--json").stdout)
    assert isinstance(value, dict)
    return value
