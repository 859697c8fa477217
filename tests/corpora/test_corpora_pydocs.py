"""The standard library's documentation strings: found without importing, named so that a person finds them again."""

from __future__ import annotations

import ast
import inspect
import sysconfig
from pathlib import Path

import pytest

from retrieve.corpora.open import open_corpus
from retrieve.corpora.pydocs import PythonDocs
from retrieve.errors import InputError
from retrieve.types import Document

SOURCE = '''"""Module text.

    More.
"""
class Outer(dict, object):
    """Outer text."""
    if True:
        async def method(self, x: int = 3, *, y) -> None:
            """Method text."""
            def inner():
                """Inner text."""
    def silent(self): pass
def blank():
    """  """
'''


def test_documents_of_a_small_library(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(SOURCE)
    for skipped in ("site-packages", "test", "package/tests", "config-3.11-x86", "__pycache__"):
        (tmp_path / skipped).mkdir()
        (tmp_path / skipped / "module.py").write_text('"""no"""')
    (tmp_path / "data.txt").write_text("no")
    common = {"module": "package", "path": "package/__init__.py"}
    corpus = PythonDocs(tmp_path)
    assert list(corpus) == [
        Document(
            "package:<module>:1", "Module text.\n\nMore.", "package", {**common, "kind": "module", "line": 1}
        ),
        Document(
            "package:Outer:5",
            "Outer text.",
            "package.Outer(dict, object)",
            {**common, "kind": "class", "line": 5},
        ),
        Document(
            "package:Outer.method:8",
            "Method text.",
            "package.Outer.method(self, x: int=3, *, y)",
            {**common, "kind": "function", "line": 8},
        ),
        Document(
            "package:Outer.method.<locals>.inner:10",
            "Inner text.",
            "package.Outer.method.<locals>.inner()",
            {**common, "kind": "function", "line": 10},
        ),
    ]
    assert corpus.bytes_read == corpus.bytes_total == len(SOURCE)


def test_source_that_does_not_parse_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def")
    with pytest.raises(InputError, match=r"broken\.py: is not Python source"):
        list(PythonDocs(tmp_path))


@pytest.mark.long
def test_the_standard_library_of_this_machine() -> None:
    documents = list(open_corpus("python:"))
    by_id = {document.id: document for document in documents}
    assert len(by_id) == len(documents) > 4_000
    assert documents == sorted(
        documents, key=lambda document: document.metadata["path"]
    )  # stable: order by path
    for value in (
        inspect.cleandoc,
        ast.NodeVisitor,
        sysconfig.get_path,
    ):  # the interpreter's own view is the oracle
        lines, line = inspect.getsourcelines(value)
        found = by_id[f"{value.__module__}:{value.__qualname__}:{line}"]
        assert found.text == inspect.getdoc(value)
        assert found.metadata["path"] == f"{value.__module__}.py"
        assert lines[0].strip().endswith(":")
