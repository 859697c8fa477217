"""An index knows the stemmer that built it, and under another one neither answers wrongly nor takes a document."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import Stemmer
from store_index import documents, lexical_recipe, make, own_recipe, vectors

from retrieve import Document, Index
from retrieve.errors import FormatTooNew, IndexCorrupt, StemmerMismatch
from retrieve.files import checksum_bytes, write_file
from retrieve.store.manifest import MANIFEST, read_manifest

_REAL = Stemmer.Stemmer


class OtherStemmer:
    """Of another release: it leaves words in -ity and -ization as they are."""

    def __init__(self, language: str, cache: int) -> None:
        self._real = _REAL(language, cache)

    def stemWord(self, word: str) -> str:
        return word if word.endswith(("ity", "ization")) else self._real.stemWord(word)

    def stemWords(self, words: list[str]) -> list[str]:
        return [self.stemWord(word) for word in words]


@pytest.fixture
def other_release() -> Iterator[pytest.MonkeyPatch]:
    """To be entered with `use`: from then on another stemmer is installed."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stemmer, "Stemmer", OtherStemmer)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock" and "readers" not in path.parts
    }


def forget_stemmer(folder: Path) -> None:
    """Make the index one of a version that did not keep its stemmer."""
    manifest = read_manifest(folder).model_copy(update={"stemmer": None})
    write_file(folder / MANIFEST, manifest.encode())
    assert b"stemmer" not in (folder / MANIFEST).read_bytes()


ROWS = [
    Document("u", "a university of law"),
    Document("o", "an organization of courts"),
    Document("c", "cells"),
]
REFUSED = (
    r"english stemmer of PyStemmer \d\.\d, .* pip install 'PyStemmer==\d\.\d\.\*', or build the index again"
)


def test_an_index_keeps_its_stemmer(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", lexical_recipe(), ROWS) as index:
        kept = index.info()["stemmer"]
        release = ".".join(version("PyStemmer").split(".")[:2])
        assert kept == {"release": release, "stems": index._passage_encoder.analyzer.stemmer}
        assert read_manifest(index.path).model_dump()["stemmer"] == kept
        assert [hit.doc_id for hit in index.search("university")] == ["u"]
    with Index.create(tmp_path / "empty.index", lexical_recipe()) as empty:
        assert empty.info()["stemmer"] == kept


def test_no_stemmer_no_record(tmp_path: Path, other_release: pytest.MonkeyPatch) -> None:
    plain = lexical_recipe() | {"bm25": {"language": "none"}}
    dense = own_recipe(bm25=False)
    make(tmp_path / "plain.index", plain, ROWS).close()
    make(tmp_path / "dense.index", dense, documents(3), vectors(3)).close()
    use(other_release)
    for name in ("plain", "dense"):
        assert b"stemmer" not in (tmp_path / f"{name}.index" / MANIFEST).read_bytes()
        with Index.open(tmp_path / f"{name}.index") as index:
            assert index.info()["stemmer"] is None
            with index.writer() as writer:
                writer.delete(["c"])
    with Index.open(tmp_path / "plain.index") as index:
        assert [hit.doc_id for hit in index.search("university")] == ["u"]


def test_a_search_under_another_stemmer_is_refused(tmp_path: Path, other_release: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a.index", own_recipe(), ROWS, vectors(3)).close()
    use(other_release)
    with Index.open(tmp_path / "a.index") as index:  # opening asks no stemmer
        assert index.get("u") is not None
        assert index.search(vector=vectors(1)[0], using="dense")
        for call in (
            lambda: index.search("law", using="bm25"),
            lambda: index.search("law", vector=vectors(1)[0]),
            lambda: index.search_many(["law", "cells"], using="bm25"),
            lambda: index.explain("law", "u", using="bm25"),
        ):
            with pytest.raises(StemmerMismatch, match=REFUSED):
                call()


def test_nothing_is_written_under_another_stemmer(tmp_path: Path, other_release: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a.index", lexical_recipe(2), ROWS).close()
    with Index.open(tmp_path / "a.index") as index, pytest.raises(KeyError), index.writer() as writer:
        writer.add(documents(4))
        raise KeyError  # an interrupted build that is kept for later
    before = files(tmp_path / "a.index")
    use(other_release)
    with Index.open(tmp_path / "a.index") as index:
        for write in (lambda: index.writer().__enter__(), index.merge):
            with pytest.raises(StemmerMismatch, match=REFUSED):
                write()
            assert files(tmp_path / "a.index") == before
    other_release.undo()
    with Index.open(tmp_path / "a.index") as index:
        with index.writer() as writer:
            writer.add(documents(4))
        assert len(index) == 7


def test_an_index_that_does_not_say_is_warned_of_once_and_says_it_from_its_next_commit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other_release: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, logger="retrieve")
    folder = tmp_path / "a.index"
    make(folder, lexical_recipe(2), ROWS).close()
    kept = read_manifest(folder).stemmer
    forget_stemmer(folder)
    with Index.open(folder) as index:
        assert caplog.text == ""
        for _ in range(3):
            assert [hit.doc_id for hit in index.search("organization")] == ["o"]
        with index.writer() as writer:
            writer.add(documents(1))
    with Index.open(folder) as index:
        assert index.search("organization")
    assert caplog.text.count("does not say which stemmer built it") == 1
    assert read_manifest(folder).stemmer == kept
    forget_stemmer(folder)
    with Index.open(folder) as index:
        index.merge()
    assert read_manifest(folder).stemmer == kept
    use(other_release)
    with Index.open(folder) as index, pytest.raises(StemmerMismatch):
        index.search("organization")


def test_segments_of_an_interrupted_build_are_not_taken_over_under_another_stemmer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other_release: pytest.MonkeyPatch
) -> None:
    """A build that was never committed may begin again under another stemmer, and is then wholly of that one."""
    caplog.set_level(logging.INFO, logger="retrieve")
    folder = tmp_path / "a.index"
    with Index.create(folder, lexical_recipe(2)) as index, pytest.raises(KeyError), index.writer() as writer:
        writer.add([*ROWS, *documents(6)])
        raise KeyError
    assert (folder / "pending.json").exists()
    use(other_release)
    with Index.create(folder, lexical_recipe(2)) as index:
        with index.writer() as writer:
            writer.add([*ROWS, *documents(6)])
        assert "of the interrupted build is used" not in caplog.text
        assert [hit.doc_id for hit in index.search("university")] == ["u"]
        assert index.verify() == []


def test_two_builds_say_the_same(tmp_path: Path) -> None:
    for name in "ab":
        make(tmp_path / name, lexical_recipe(), ROWS).close()
    assert (tmp_path / "a" / MANIFEST).read_bytes() == (tmp_path / "b" / MANIFEST).read_bytes()


@pytest.mark.parametrize(
    ("values", "said"), [({"colour": 1}, "colour"), ({"stemmer": {"release": "3.1"}}, None)]
)
def test_a_manifest_that_says_more_is_newer_and_one_that_says_less_is_damaged(
    tmp_path: Path, values: dict[str, Any], said: str | None
) -> None:
    folder = tmp_path / "a.index"
    make(folder, lexical_recipe(), ROWS).close()
    known = json.loads((folder / MANIFEST).read_text())
    del known["checksum"]
    body = json.dumps(known | values, separators=(",", ":"), ensure_ascii=False)
    sealed = f'{body[:-1]},"checksum":"{checksum_bytes(body.encode())}"}}\n'
    (folder / MANIFEST).write_text(sealed)
    if said is None:
        with pytest.raises(IndexCorrupt, match="unexpected content"):
            Index.open(folder)
    else:
        with pytest.raises(FormatTooNew, match=f"says {said}, which this version does not know: upgrade"):
            Index.open(folder)
