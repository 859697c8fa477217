"""Without its framework a bridge says which extra to install."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from retrieve import MissingExtra


@pytest.mark.parametrize(
    ("bridge", "package", "extra"),
    [("langchain", "langchain_core", "langchain"), ("llama_index", "llama_index", "llama-index")],
)
def test_the_extra_is_named(bridge: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"retrieve.bridges.{bridge}", raising=False)
    with pytest.raises(MissingExtra, match=rf"\[{extra}\]"):
        import_module(f"retrieve.bridges.{bridge}")
