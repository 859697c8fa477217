"""What the shell completes, as click's script for bash asks for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def completed(line: str) -> list[str]:
    """The values offered for the last word of a line; of a path its kind."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_RETRIEVE_COMPLETE": "bash_complete"}
    program = "from retrieve.cli import main; main(prog_name='retrieve')"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | asked | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
    kinds = [offered.partition(",") for offered in answer.split()]
    return [value if kind == "plain" else kind for kind, _, value in kinds]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("retrieve se", ["search"]),
        ("retrieve index cr", ["create"]),
        ("retrieve search laws.index --us", ["--using"]),
        ("retrieve index create laws.index --recipe hy", ["hybrid"]),
        ("retrieve index create laws.index --recipe ./", ["file"]),
        ("retrieve train classifier data --preset tf", ["tfidf"]),
        ("retrieve index create laws.index jud", ["file"]),
    ],
)
def test_completion(line: str, offered: list[str]) -> None:
    assert completed(line) == offered
