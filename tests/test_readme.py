"""The Python of the README and of the pages it names compiles, what it imports is there, and links lead somewhere."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from retrieve import MissingExtra

ROOT = Path(__file__).parent.parent
FOLDERS = ("", "indexes", "eval", "retrieve/classify", "retrieve/train", "retrieve/rag")
PAGES = {name: (ROOT / name / "README.md").read_text(encoding="utf-8") for name in FOLDERS}
BLOCKS = re.findall(r"```python\n(.*?)```", "".join(PAGES.values()), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_the_readme_imports_is_there(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            ours = node.module.partition(".")[0] == "retrieve"
            try:
                module = import_module(node.module) if ours else pytest.importorskip(node.module)
            except MissingExtra as error:
                pytest.skip(str(error))
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.model
@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if re.search(r"from retrieve\.(rag|bridges)", block)]
)
def test_what_the_readme_shows_of_frameworks_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these blocks stands for itself: it makes its index and asks it."""
    for package in ("langchain_core", "llama_index.core"):
        if f"from {package}" in block:
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})


def test_there_are_blocks() -> None:
    assert len(BLOCKS) > 5


def test_the_readme_is_short() -> None:
    assert PAGES[""].count("\n") <= 150


@pytest.mark.parametrize("folder", FOLDERS)
def test_links_lead_somewhere(folder: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[folder]):
        if not target.startswith("http"):
            path, _, heading = target.partition("#")
            page = (ROOT / folder / path).resolve()
            assert page.exists(), target
            if heading:
                lines = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
                assert heading in [
                    re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in lines
                ], target
