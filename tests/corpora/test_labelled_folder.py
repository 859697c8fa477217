"""Folders of files: sub-folders as labels, labels.csv beside them, splits as first folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_files import written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.open import read_labelled
from retrieve.errors import InputError


def test_sub_folders_are_labels(tmp_path: Path) -> None:
    written(tmp_path / "spam" / "a.txt", "buy")
    written(tmp_path / "ham" / "deep" / "b.html", "<title>B</title><p>hello</p>")
    written(tmp_path / "ham" / "c.md", "# C\n\nthere")
    written(tmp_path / "loose.txt", "no label")
    written(tmp_path / "README.md", "about")
    written(tmp_path / "ham" / "d.doc", "word")
    data = read_labelled(tmp_path)
    assert (data.task, data.labels.names) == ("binary", ("ham", "spam"))
    found = {d.document.id: (d.labels, d.document.title, d.document.text) for d in data.train}
    assert found == {
        "spam/a.txt": (("spam",), "", "buy"),
        "ham/deep/b.html": (("ham",), "B", "hello"),
        "ham/c.md": (("ham",), "C", "# C\n\nthere"),
    }
    assert [d.document.id for d in data.unlabelled] == ["loose.txt"]
    assert any(remark.startswith("2 entries") for remark in data.remarks)


def test_splits_as_first_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("x", "y", "z"):
            written(tmp_path / split / label / "1.txt", f"{split} {label}")
    data = read_labelled(tmp_path)
    assert data.labels.names == ("x", "y", "z")
    assert [d.document.id for d in data.train] == ["train/x/1.txt", "train/y/1.txt", "train/z/1.txt"]
    assert [d.labels for d in data.test] == [("x",), ("y",), ("z",)]


def test_labels_csv(tmp_path: Path) -> None:
    for name in ("a.txt", "sub/b.txt", "c.txt", "d.txt"):
        written(tmp_path / name, name)
    written(tmp_path / "labels.csv", "file,labels\na.txt,x|y\nsub/b.txt,x\nc.txt,\n")
    data = read_labelled(tmp_path)
    assert {d.document.id: d.labels for d in data.train} == {
        "a.txt": ("x", "y"),
        "sub/b.txt": ("x",),
        "c.txt": (),
    }
    assert [d.document.id for d in data.unlabelled] == ["d.txt"]
    assert "1 documents are not labelled: d.txt" in data.remarks


@pytest.mark.parametrize(
    ("row", "says"),
    [("b.txt,x", "no readable file 'b.txt'"), ("a.txt,y", "has a row above"), ("a.txt", "1 columns")],
)
def test_a_row_that_is_of_no_file(tmp_path: Path, row: str, says: str) -> None:
    written(tmp_path / "a.txt", "text")
    written(tmp_path / "labels.csv", f"file,labels\na.txt,x;y\n{row}\n")
    with pytest.raises(InputError, match=says) as caught:
        read_labelled(tmp_path)
    assert "labels.csv:3: " in str(caught.value)


def test_a_damaged_file_is_named_or_skipped(tmp_path: Path) -> None:
    written(tmp_path / "x" / "a.txt", "text")
    written(tmp_path / "y" / "c.txt", "text")
    (tmp_path / "x" / "b.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"b\.txt: byte 4"):
        read_labelled(tmp_path)
    data = read_labelled(tmp_path, options=ReadOptions(skip_bad=True))
    assert (len(data.train), data.skipped) == (2, 1)
