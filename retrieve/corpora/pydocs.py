"""Python's own documentation strings as a collection: text that is on every machine that can run this package.

Found by parsing the standard library's sources, never by importing them: some modules act when they are imported
(`antigravity` opens a browser).
"""

from __future__ import annotations

import ast
import inspect
import os
import sysconfig
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import Corpus, ReadOptions, Records
from retrieve.corpora.rows import Row
from retrieve.corpora.stream import shown
from retrieve.errors import InputError
from retrieve.types import Document

_SKIPPED = frozenset(("site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"))

_STATEMENTS = (
    ast.stmt,
    ast.ExceptHandler,
    ast.match_case,
)  # expressions define nothing, and are most of the tree

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class PythonDocs(Corpus):
    """Every module, class and function of the standard library that has a documentation string.

    The id is `module:qualname:line` (`module:<module>:1` for a module), the title the full name with its signature,
    the text the cleaned documentation string, and metadata has `module`, `kind`, `line` and `path`. Sorted by path
    and line.
    """

    def __init__(self, root: Path | None = None) -> None:
        super().__init__("python:", [_Sources(root or Path(sysconfig.get_path("stdlib")))])


class _Sources:
    """The .py files under a folder that are modules of the library; listed once, when first needed."""

    def __init__(self, root: Path) -> None:
        self.name = shown(root)
        self.position = 0
        self._root = root

    @cached_property
    def size(self) -> int | None:
        """Bytes of all sources."""
        return sum(size for _, size in self._files)

    @cached_property
    def _files(self) -> list[tuple[Path, int]]:
        return [(path, path.stat().st_size) for path in _modules(self._root)]

    def records(self, options: ReadOptions) -> Records:
        """One pass; the `line` of a record is its place in the library."""
        self.position = 0
        place = 0
        for path, size in self._files:
            for document in _documents(path, path.relative_to(self._root)):
                place += 1
                yield Row(place, document)
            self.position += size


def _modules(root: Path) -> list[Path]:
    """Files that can be imported by their path, which leaves out build leftovers such as config-3.11-x86_64/."""
    found: list[Path] = []
    for here, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name.isidentifier() and name not in _SKIPPED]
        found.extend(Path(here, name) for name in names if name.endswith(".py") and name[:-3].isidentifier())
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _documents(path: Path, relative: Path) -> Iterator[Document]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise InputError(shown(path), f"is not Python source ({error}): repair the installation") from error
    parts = relative.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    for node, qualname in _documented(tree, ""):
        document = _document(node, qualname, module, relative.as_posix())
        if document.text:
            check_document(document, shown(path))
            yield document


def _documented(node: ast.AST, qualname: str) -> Iterator[tuple[ast.Module | Definition, str]]:
    """The node and what is defined inside it, at any depth, in source order, with qualified names."""
    if isinstance(node, ast.Module | Definition):
        yield node, qualname
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            inside = (
                f"{qualname}.<locals>"
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                else qualname
            )
            yield from _documented(child, f"{inside}.{child.name}".lstrip("."))
        elif isinstance(child, _STATEMENTS):
            yield from _documented(child, qualname)


def _document(node: ast.Module | Definition, qualname: str, module: str, path: str) -> Document:
    text = inspect.cleandoc(ast.get_docstring(node, clean=False) or "").strip()
    if isinstance(node, ast.Module):
        kind, line, title = "module", 1, module
    elif isinstance(node, ast.ClassDef):
        kind, line = "class", node.lineno
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        title = f"{module}.{qualname}({bases})" if bases else f"{module}.{qualname}"
    else:
        kind, line = "function", node.lineno
        title = f"{module}.{qualname}({ast.unparse(node.args)})"
    return Document(
        id=f"{module}:{qualname or '<module>'}:{line}",
        text=text,
        title=title,
        metadata={"module": module, "kind": kind, "line": line, "path": path},
    )
