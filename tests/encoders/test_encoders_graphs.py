"""A converted model where none can be kept: in a temporary folder of the process, which goes with it.

What cannot be written is a path below a file, which holds for every user.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieve.encoders.openvino import graphs
from retrieve.encoders.openvino.files import MODEL
from retrieve.encoders.openvino.graphs import converted, is_whole
from retrieve.errors import EncoderError

pytest.importorskip("openvino", reason="the extra openvino is not installed")


class Model:
    """All that finding and making a conversion asks of a model's folder, if another makes it."""

    root = Path("model")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Where conversions were made; their maker writes one file. Temporary folders are below `tmp_path`."""
    places: list[Path] = []

    def convert(model: Any, building: Path, **_: Any) -> None:
        places.append(building)
        (building / MODEL).write_text("a graph")

    monkeypatch.setattr("retrieve.encoders.openvino.convert.convert", convert)
    monkeypatch.setattr(graphs, "_TEMPORARY", {})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").write_text("no folder")
    yield places


def place_of(root: Path, fingerprint: str = "f" * 64) -> Path:
    return converted(Model(), fingerprint, root, int8=False, rows=lambda _: [], pad=0)  # type: ignore[arg-type]


def test_what_can_be_kept_is(tmp_path: Path, made: list[Path]) -> None:
    place = place_of(tmp_path / "models")
    assert place.parent == tmp_path / "models"
    assert place_of(tmp_path / "models") == place
    assert len(made) == 1


def test_what_cannot_be_kept_is_made_once_a_process_and_said_once(
    tmp_path: Path, made: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "file" / "models"
    place = place_of(root)
    assert is_whole(place)
    assert place_of(root) == place
    other = place_of(root, "e" * 64)
    assert other != place
    assert is_whole(other)
    assert len(made) == 2
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "set $RETRIEVE_CACHE" in warning.getMessage()


def test_a_child_uses_its_parents_and_leaves_it(tmp_path: Path, made: list[Path]) -> None:
    root = tmp_path / "file" / "models"
    place = place_of(root)
    graphs._remove_temporary(os.getpid() + 1, place.parent.parent)  # at the end of another process
    assert is_whole(place)
    graphs._TEMPORARY = {os.getpid() + 1: place.parent}  # as a child has it
    assert place_of(root) == place
    place_of(root, "e" * 64)
    assert list(graphs._TEMPORARY) == [os.getpid() + 1, os.getpid()]
    assert len(made) == 2


def test_a_temporary_folder_goes_with_its_process(tmp_path: Path) -> None:
    program = (
        "import pathlib; from retrieve.encoders.openvino import graphs;"
        "folder = graphs._temporary(pathlib.Path('x'), OSError()); folder.mkdir(); print(folder)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert Path(said.strip()).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nowhere_at_all_is_an_error_that_says_what_to_set(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(EncoderError, match=r"set \$RETRIEVE_CACHE"):
        place_of(tmp_path / "file" / "models")
    assert made == []
