"""Which folder a name on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_index import lexical_recipe

from retrieve import Index
from retrieve.errors import RetrieveError
from retrieve.store import paths as place
from retrieve.store.paths import home, index_path
from retrieve.user_folders import cache_root


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
    Index.create("./laws.v2", lexical_recipe()).close()
    assert index_path("laws.v2") == Path("laws.v2")


def test_a_folder_of_documents_is_no_index_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`retrieve index create laws laws`: a folder here hid the index at home, and was refused as no index."""
    home = tmp_path / "home"
    monkeypatch.setenv("RETRIEVE_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "laws").mkdir()
    assert index_path("laws") == Path("laws")
    (tmp_path / "laws" / "one.txt").write_text("a law")
    assert index_path("laws") == home / "laws"
    Index.create("laws", lexical_recipe()).close()
    assert index_path("laws") == home / "laws"
    (tmp_path / "left" / "segments").mkdir(parents=True)
    assert index_path("left") == Path("left")


def test_a_user_without_a_home_is_told_what_to_set_when_something_is_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("RETRIEVE_HOME", "RETRIEVE_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, "__file__", str(tmp_path / "a" / "b" / "c.py"))  # no checkout
    monkeypatch.setattr(Path, "home", nowhere)
    assert home().is_relative_to("/nonexistent")
    assert cache_root().is_relative_to("/nonexistent")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RetrieveError, match="choose a place") as error:
        Index.create(tmp_path / "file" / "laws", lexical_recipe())
    assert str(tmp_path / "file") in str(error.value)
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "file"))
    with pytest.raises(RetrieveError, match=r"set \$RETRIEVE_HOME"):
        Index.create("laws", lexical_recipe())


@pytest.mark.parametrize(
    ("value", "folder"),
    [("~/kept", "HOME/kept"), ("~", "HOME"), (".", "."), ("a/~b", "a/~b"), ("~b/c", "~b/c"), ("/c", "/c")],
)
def test_a_tilde_in_a_variable_is_the_home(
    value: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name, named in (("RETRIEVE_CACHE", cache_root), ("RETRIEVE_HOME", home)):
        monkeypatch.setenv(name, value)
        assert named() == Path(folder.replace("HOME", str(tmp_path)))
