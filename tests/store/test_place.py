"""Which folder a name on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_index import lexical_recipe

from retrieve import Index
from retrieve.store.place import index_path


def test_a_name_with_a_dot_is_an_index_at_home_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("RETRIEVE_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    assert index_path("laws") == home / "laws"
    assert index_path("laws.v2") == Path("laws.v2")
    Index.create(home / "laws.v2", lexical_recipe()).close()
    assert index_path("laws.v2") == home / "laws.v2"
    assert index_path("./x/laws.v2") == Path("x/laws.v2")
    (tmp_path / "laws.v2").mkdir()
    assert index_path("laws.v2") == Path("laws.v2")
