"""From what a user names (a folder, a file, a catalogue name, `-`) to an open `Corpus`.

The format is told by name first and by content second; where two readings are possible nothing is guessed, and the
error lists what was found.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from retrieve.corpora.corpus import DEFAULT_OPTIONS, Corpus, Part, ReadOptions
from retrieve.corpora.folder import PDF_SUFFIX, TEXT_SUFFIXES, FolderPart, list_files, log_left_out
from retrieve.corpora.jsonl import read_jsonl
from retrieve.corpora.msmarco import collection_file
from retrieve.corpora.part import FilePart, Reader
from retrieve.corpora.sgml import read_trec
from retrieve.corpora.stream import Stream, shown
from retrieve.corpora.tsv import read_tsv
from retrieve.errors import InputError, UsageError

FORMATS = ("beir", "jsonl", "tsv", "trec", "files")
CATALOGUE = "ir_datasets:"
PYTHON = "python:"

_READERS: dict[str, Reader] = {"jsonl": read_jsonl, "tsv": read_tsv, "trec": read_trec}
_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tsv": "tsv",
    ".trec": "trec",
    ".sgml": "trec",
    ".sgm": "trec",
    ".xml": "trec",
}
_READABLE = (
    "readable are: a BEIR folder (corpus.jsonl), JSON lines, MS MARCO TSV (id, text or id, url, title, body), "
    "TREC SGML (<DOC>), each plain or gzip or as a folder of such files, "
    f"a folder of .txt .md .html .htm .pdf files, {CATALOGUE}NAME, and - for JSON lines on standard input; "
    f"--format ({', '.join(FORMATS)}) says which one it is"
)


def open_corpus(
    source: str | Path, *, format: str | None = None, options: ReadOptions = DEFAULT_OPTIONS
) -> Corpus:
    """The collection at `source`; nothing is read before it is iterated, beyond names and first bytes.

    `format` is one of `FORMATS`; without it the format is recognised. Raises `InputError` if there is nothing at
    `source`, or if it is no format or more than one; `UsageError` for a `format` that does not exist or not fit.
    """
    name = str(source)
    if format is not None and format not in FORMATS:
        raise UsageError(f"format {format!r} does not exist; wanted one of {', '.join(FORMATS)}")
    if name.startswith((CATALOGUE, PYTHON)):
        return _named(name, format, options)
    if name == "-":
        return Corpus(name, [FilePart.standard_input(_reader(format or "jsonl", "standard input"))], options)
    path = Path(source)
    if path.is_dir():
        return Corpus(name, _folder_parts(path, format), options)
    if not path.exists():
        raise InputError(shown(path), f"there is no such file or folder; {_READABLE}")
    return Corpus(name, [_file_part(path, format)], options)


def find_one(folder: Path, stem: str) -> Path | None:
    """`stem`.jsonl or `stem`.jsonl.gz in a BEIR folder, None if neither is there. Raises `InputError` for both."""
    found = [path for path in (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz") if path.is_file()]
    if len(found) > 1:
        raise InputError(shown(folder), f"holds {found[0].name} and {found[1].name}: keep one of them")
    return found[0] if found else None


def sniff(path: Path) -> bytes:
    """The first bytes of a file after decompression, without white space and byte order mark in front."""
    with Stream.open(path) as stream:
        return stream.peek().removeprefix(b"\xef\xbb\xbf").lstrip()


def _named(name: str, format: str | None, options: ReadOptions) -> Corpus:
    if format is not None:
        raise UsageError(f"--format does not apply to {name}")
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


def _file_part(path: Path, format: str | None) -> FilePart:
    found = format or _kind_by_name(path) or _kind_by_content(path)
    if found is None:
        raise InputError(shown(path), f"is not recognised by its name or first bytes; {_READABLE}")
    return FilePart.at(path, _reader(found, shown(path)))


def _folder_parts(folder: Path, format: str | None) -> list[Part]:
    corpus = find_one(folder, "corpus")
    if format == "beir" and corpus is None:
        raise InputError(shown(folder), "has no corpus.jsonl or corpus.jsonl.gz, which a BEIR folder has")
    if corpus is not None and format in (None, "beir"):
        return [FilePart.at(corpus, read_jsonl)]
    if format in (None, "tsv") and (collection := collection_file(folder)) is not None:
        return [FilePart.at(collection, read_tsv)]  # and not the queries and judgments beside it
    files, left_out = list_files(folder)
    kinds = _by_kind(files)
    unread = kinds.pop("", [])
    chosen = format or _only_kind(folder, kinds, unread)
    if chosen not in kinds:
        raise InputError(shown(folder), f"holds no {chosen} files among {len(files)}; {_READABLE}")
    for kind, paths in kinds.items():
        unread.extend(paths if kind != chosen else ())
    left_out.update(Counter(path.suffix.lower() or "without a suffix" for path in unread))
    log_left_out(folder, left_out)
    if chosen == "files":
        return [FolderPart.of(folder, kinds[chosen])]
    return [FilePart.at(path, _READERS[chosen]) for path in kinds[chosen]]


def _by_kind(files: list[Path]) -> dict[str, list[Path]]:
    """Paths under the format they are read as, those that are not readable under the empty string."""
    kinds: dict[str, list[Path]] = {}
    for path in files:
        kind = _kind_by_name(path)
        if kind is None and path.suffix.lower() in (*TEXT_SUFFIXES, PDF_SUFFIX):
            kind = "files"
        if kind is None and _kind_by_content(path) == "trec":  # their files are often called fb396001
            kind = "trec"
        kinds.setdefault(kind or "", []).append(path)
    return kinds


def _only_kind(folder: Path, kinds: dict[str, list[Path]], unread: list[Path]) -> str:
    """The one format in the folder. A read-me or licence beside records is about the collection, not in it."""
    found = {kind: len(paths) for kind, paths in kinds.items()}
    if len(found) > 1 and all(path.stem.upper() in ("README", "LICENSE") for path in kinds.get("files", ())):
        found.pop("files", None)
    if len(found) != 1:
        held = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "nothing readable"
        raise InputError(shown(folder), f"holds {held} and {len(unread)} other files; {_READABLE}")
    return next(iter(found))


def _kind_by_name(path: Path) -> str | None:
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _SUFFIXES.get(name.suffix.lower())


def _kind_by_content(path: Path) -> str | None:
    start = sniff(path)
    if start.startswith(b"{"):
        return "jsonl"
    if start[:5].upper() == b"<DOC>":
        return "trec"
    return None
