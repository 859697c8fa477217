"""Paths of a configuration file are from where it is, whatever folder the command is given in; names stay names."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieve.train.vod.settings import DataSection, load_settings

TEXT = """
[data]
corpus = "corpus.jsonl"
questions = "{questions}"
[retriever]
encoder = "{encoder}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "science" / "tower").mkdir(parents=True)
    return tmp_path / "science" / "vod.toml"


def test_paths_are_from_the_file(file: Path) -> None:
    file.write_text(TEXT.format(questions="../asked", encoder="tower"))
    found = load_settings(file)
    assert Path(found.data.corpus) == file.parent / "corpus.jsonl"
    assert Path(found.data.questions).resolve() == file.parent.parent / "asked"
    assert Path(found.retriever.encoder) == file.parent / "tower"
    assert (found.index.recipe, found.name) == ("hybrid", "vod")


def test_names_and_whole_paths_stay(file: Path, tmp_path: Path) -> None:
    file.write_text(TEXT.format(questions=tmp_path / "asked", encoder="somebody/some-model"))
    found = load_settings(file)
    assert Path(found.data.questions) == tmp_path / "asked"
    assert found.retriever.encoder == "somebody/some-model"
    file.write_text(TEXT.replace("corpus.jsonl", "python:").format(questions="q", encoder="m"))
    assert load_settings(file).data.corpus == "python:"


def test_settings_of_a_command_are_from_where_it_is_given(file: Path) -> None:
    file.write_text(TEXT.format(questions="asked", encoder="tower"))
    found = load_settings(file, {"data.questions": "here.jsonl", "retriever.encoder": "tower"})
    assert found.data.questions == "here.jsonl"
    assert found.retriever.encoder == "tower"
    assert load_settings({"data": {"corpus": "c", "questions": "q"}}).data == DataSection(
        corpus="c", questions="q"
    )
