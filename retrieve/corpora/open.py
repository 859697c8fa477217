"""From what a user names (a folder, a file, a catalogue name, `-`) to an open `Corpus`.

The format is told by name first and by content second; where two readings are possible nothing is guessed, and the
error lists what was found.
"""

from __future__ import annotations

import re
from pathlib import Path

from retrieve.corpora.corpus import DEFAULT_OPTIONS, Corpus, ReadOptions
from retrieve.corpora.csv_rows import is_corpus, read_csv
from retrieve.corpora.folder import SUFFIXES, FileCorpus, FolderPart, list_files, log_left_out, some_names
from retrieve.corpora.jsonl import read_jsonl
from retrieve.corpora.msmarco import collection_file
from retrieve.corpora.part import FilePart, Reader
from retrieve.corpora.sgml import read_trec
from retrieve.corpora.stream import Stream, shown
from retrieve.corpora.tsv import read_tsv
from retrieve.corpora.xml_mapping import read_xml
from retrieve.errors import InputError, UsageError

FORMATS = ("beir", "jsonl", "tsv", "csv", "trec", "xml", "files")
CATALOGUE = "ir_datasets:"
PYTHON = "python:"

_READERS: dict[str, Reader] = {
    "jsonl": read_jsonl,
    "tsv": read_tsv,
    "csv": read_csv,
    "trec": read_trec,
    "xml": read_xml,
}
_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tsv": "tsv",
    ".csv": "csv",
    ".trec": "trec",
    ".sgml": "trec",
    ".sgm": "trec",
}
_LINES = 20
"""How many lines of a .txt are looked at for tabs."""
_NO_ELEMENT = re.compile(rb"<\?.*?\?>|<!--.*?-->|<![^>]*>", re.DOTALL)
_ELEMENT = re.compile(rb"<([A-Za-z_][\w.:-]*)")
_READABLE = (
    "readable are: a BEIR folder (corpus.jsonl), JSON lines, MS MARCO TSV (id, text or id, url, title, body), "
    "CSV (a heading with id and text), TREC SGML (<DOC>), XML by --xml, each plain or gzip or as a folder of such "
    f"files, {' '.join(sorted(SUFFIXES))} files one by one or a folder of them, {CATALOGUE}NAME, and - for JSON "
    "lines on standard input; "
    f"--format ({', '.join(FORMATS)}) says which one it is"
)


def open_corpus(
    source: str | Path, *, format: str | None = None, options: ReadOptions = DEFAULT_OPTIONS
) -> Corpus:
    """The collection at `source`; nothing is read before it is iterated, beyond names and first bytes.

    `format` is one of `FORMATS`; without it the format is recognised. Raises `InputError` if there is nothing at
    `source`, or if it is no format or more than one; `UsageError` for a `format` that does not exist or not fit, and
    for `options.root` where documents are no files.
    """
    corpus = _opened(source, format, options)
    if options.root is not None and not isinstance(corpus, FileCorpus):
        raise UsageError(
            f"--root is for files that are a document each, and {corpus.name} has ids of its own: add it by itself"
        )
    return corpus


def _opened(source: str | Path, format: str | None, options: ReadOptions) -> Corpus:
    name = str(source)
    if format is not None and format not in FORMATS:
        raise UsageError(f"format {format!r} does not exist; wanted one of {', '.join(FORMATS)}")
    if name.startswith((CATALOGUE, PYTHON)):
        return _named(name, format, options)
    if options.xml is not None:
        if format not in (None, "xml"):
            raise UsageError(f"--xml is for XML, and --format says {format}: take one of them out")
        format = "xml"
    if name == "-":
        return Corpus(name, [FilePart.standard_input(_reader(format or "jsonl", "standard input"))], options)
    path = Path(source)
    if path.is_dir():
        return _folder(path, format, options)
    if not path.exists():
        raise InputError(shown(path), f"there is no such file or folder; {_READABLE}")
    return _file(path, format, options)


def find_one(folder: Path, stem: str) -> Path | None:
    """`stem`.jsonl or `stem`.jsonl.gz in a BEIR folder, None if neither is there. Raises `InputError` for both."""
    found = [path for path in (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz") if path.is_file()]
    if len(found) > 1:
        raise InputError(shown(folder), f"holds {found[0].name} and {found[1].name}: keep one of them")
    return found[0] if found else None


def sniff(path: Path) -> bytes:
    """The first bytes of a file after decompression, without white space and byte order marks in front."""
    with Stream.open(path) as stream:
        return stream.beginning()


def _named(name: str, format: str | None, options: ReadOptions) -> Corpus:
    if format is not None or options.xml is not None:
        raise UsageError(f"--{'format' if format else 'xml'} does not apply to {name}")
    if name.startswith(CATALOGUE):
        from retrieve.corpora.irds import catalogue_corpus

        return catalogue_corpus(name.removeprefix(CATALOGUE), options)
    if name != PYTHON:
        raise InputError(name, f"{PYTHON} takes no name: it is the standard library's own documentation")
    from retrieve.corpora.pydocs import PythonDocs

    return PythonDocs()


def _reader(format: str, where: str) -> Reader:
    if format not in _READERS:
        raise UsageError(
            f"format {format!r} is a folder and {where} is not; wanted one of {', '.join(_READERS)}"
        )
    return _READERS[format]


def _file(path: Path, format: str | None, options: ReadOptions) -> Corpus:
    if format == "files" or (format is None and _is_text(path)):
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(
                shown(path), f"is none of the files that are a document each ({' '.join(SUFFIXES)})"
            )
        return FileCorpus(str(path), FolderPart.of(options.root or path.parent, [path]), options)
    found = format or _kind_by_name(path) or _kind_by_content(path)
    if found is None:
        raise InputError(shown(path), f"is not recognised by its name or first bytes; {_READABLE}")
    return Corpus(str(path), [FilePart.at(path, _reader(found, shown(path)))], options)


def _is_text(path: Path) -> bool:
    """Whether the file is one document. A .txt may also hold records: `InputError` for one of rows with tabs."""
    suffix = path.suffix.lower()
    if suffix != ".txt":
        return suffix in SUFFIXES
    tabs = {line.count(b"\t") for line in sniff(path).splitlines()[:_LINES] if line.strip()}
    if len(tabs) == 1 and tabs & {1, 3}:
        raise InputError(
            shown(path), "could be one text, or rows of id and text: say --format files or --format tsv"
        )
    return _kind_by_content(path) is None


def _folder(folder: Path, format: str | None, options: ReadOptions) -> Corpus:
    name = str(folder)
    corpus = find_one(folder, "corpus")
    if format == "beir" and corpus is None:
        raise InputError(shown(folder), "has no corpus.jsonl or corpus.jsonl.gz, which a BEIR folder has")
    if corpus is not None and format in (None, "beir"):
        return Corpus(name, [FilePart.at(corpus, read_jsonl)], options)
    if format in (None, "tsv") and (collection := collection_file(folder)) is not None:
        part = FilePart.at(collection, read_tsv)
        return Corpus(name, [part], options)  # and not the queries and judgments beside it
    files, left_out = list_files(folder)
    kinds = _by_kind(files, mapped=format == "xml")
    unread = kinds.pop("", [])
    if (
        format is None and len(kinds) > 1 and "xml" in kinds
    ):  # nobody says which of its elements are documents
        left_out[".xml (--xml says how to read it)"] += len(kinds.pop("xml"))
    chosen = format or _only_kind(folder, kinds, unread)
    if chosen not in kinds:
        raise InputError(shown(folder), f"holds no {chosen} files among {len(files)}; {_READABLE}")
    for kind, paths in kinds.items():
        unread.extend(paths if kind != chosen else ())
    log_left_out(folder, left_out, unread)
    if chosen == "files":
        return FileCorpus.of_folder(folder, kinds[chosen], options)
    return Corpus(name, [FilePart.at(path, _READERS[chosen]) for path in kinds[chosen]], options)


def _by_kind(files: list[Path], *, mapped: bool) -> dict[str, list[Path]]:
    """Paths under the format they are read as, those that are not readable under the empty string.

    `mapped`: XML is read by the user's mapping, whatever its elements are called.
    """
    kinds: dict[str, list[Path]] = {}
    for path in files:
        kind = _kind_by_name(path)
        if kind is None and path.suffix.lower() in SUFFIXES:
            kind = "files"
        if kind == "csv" and not is_corpus(path):
            kind = None
        elif kind is None and mapped and _suffix(path) == ".xml":
            kind = "xml"
        elif kind is None:
            found = _kind_by_content(path)
            if found == "trec" or (found == "xml" and _suffix(path) == ".xml"):
                kind = found  # TREC's files are often called fb396001; drawings and much else are XML too
        kinds.setdefault(kind or "", []).append(path)
    return kinds


def _only_kind(folder: Path, kinds: dict[str, list[Path]], unread: list[Path]) -> str:
    """The one format in the folder. A read-me or licence beside records is about the collection, not in it."""
    found = dict(kinds)
    if len(found) > 1 and all(path.stem.upper() in ("README", "LICENSE") for path in kinds.get("files", ())):
        found.pop("files", None)
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise InputError(shown(folder), _mixed(found))
    if unread:
        raise InputError(
            shown(folder),
            f"holds no file that can be read, and {len(unread)} others ({some_names(folder, unread)}); {_READABLE}",
        )
    raise InputError(shown(folder), "holds no files: wanted a folder of files to read")


def _mixed(kinds: dict[str, list[Path]]) -> str:
    """What is said of files of several formats, with what may be done."""
    formats = sorted(kinds, key=lambda kind: (kind != "files", kind))
    counts = [(len(kinds[kind]), kind) for kind in formats]
    held = [
        f"{n} {('text' if n == 1 else 'texts') + ' (files)' if kind == 'files' else kind}"
        for n, kind in counts
    ]
    first = kinds[formats[-1]][0]
    return (
        f"holds {', '.join(held[:-1])} and {held[-1]}, and a folder is read in one format: choose by --format "
        f"({', '.join(formats)}), and add the others afterwards, each by itself: "
        f"retrieve index add INDEX {shown(first)}"
    )


def _kind_by_name(path: Path) -> str | None:
    return _SUFFIXES.get(_suffix(path))


def _suffix(path: Path) -> str:
    """In small letters, and that before .gz."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _kind_by_content(path: Path) -> str | None:
    """By the first characters; markup by its first elements, for the name .xml says nothing of what is in it."""
    start = sniff(path)
    if start.startswith(b"{"):
        return "jsonl"
    elements = [name.lower() for name in _ELEMENT.findall(_NO_ELEMENT.sub(b"", start))[:3]]
    if elements[:1] == [b"doc"] or (
        elements[1:2] == [b"doc"] and b"docno" in elements
    ):  # perhaps inside of a root
        return "trec"
    return "xml" if start.startswith(b"<?xml") or (elements and _suffix(path) == ".xml") else None
