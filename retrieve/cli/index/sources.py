"""Documents from the command line's sources into an index, in one commit: what `create` and `add` share."""

from __future__ import annotations

import logging
import time
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from retrieve.cli.index.gone import Gone
from retrieve.cli.options import with_options, workers_option
from retrieve.cli.output import counted, print_json
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import writes_index
from retrieve.corpora.corpus import DEFAULT_OPTIONS, Corpus, ReadOptions
from retrieve.corpora.expansions import read_expansions
from retrieve.corpora.extracted import WithoutText
from retrieve.corpora.folder import check_distinct
from retrieve.corpora.open import FORMATS, open_corpus
from retrieve.corpora.spaced_ids import SpacedIds
from retrieve.corpora.xml_mapping import XmlMapping
from retrieve.errors import BadVectors, InputError, UsageError
from retrieve.types import Progress

if TYPE_CHECKING:
    from retrieve.api import Added, Index

_log = logging.getLogger("retrieve")

reading_options = with_options(
    click.option("--format", type=click.Choice(FORMATS), help="What the sources are, if it cannot be told."),
    click.option(
        "--xml",
        metavar="MAPPING",
        help="Where documents are in XML, as in record=article,id=@number,text=body,title=head/title.",
    ),
    click.option(
        "--root",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Ids of files are their paths from here, not from the source: for a file or sub-folder of a folder.",
    ),
    click.option("--skip-bad", is_flag=True, help="Go on after a bad record, and say how many there were."),
    click.option(
        "--max-line",
        type=int,
        metavar="BYTES",
        default=DEFAULT_OPTIONS.max_line,
        show_default=True,
        help="Longest record accepted.",
    ),
)

source_options = with_options(
    reading_options,
    click.option(
        "--strict",
        is_flag=True,
        help="A document without text (a scan, an empty file) is an error, not a warning.",
    ),
    workers_option,
    click.option(
        "--expansions",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Ids and texts (JSON lines or TSV) that BM25 finds documents by too, and nobody is shown.",
    ),
)


_TOLD = ("documents", "empty_documents", "expanded_documents", "passages", "generation")


class Filled(NamedTuple):
    """What became of the sources: what was added, deleted and left out as bad, and how long it took."""

    counts: Added
    deleted: int
    skipped: int
    without_text: WithoutText
    seconds: float


def fill(
    index: Index,
    corpora: Sequence[Corpus],
    *,
    strict: bool,
    workers: int,
    expansions: Path | None,
    vectors: Path | None = None,
    prune: bool = False,
) -> Filled:
    """Add all that the sources have, `opened`, in one commit. `prune`: and delete what they do not have.

    Raises `InputError`, and commits nothing, if every record was bad, or for `strict` if a document has no text.
    """
    given = None if vectors is None else _vectors(vectors)
    texts = None if expansions is None else read_expansions(expansions)
    start = time.perf_counter()
    spaced, gone = SpacedIds(), Gone(index, corpora, prune=prune)
    writes_index()
    with progress_shown() as progress, index.writer(with_total(progress, corpora), workers) as writer:
        counts = writer.add(gone.over(spaced.over(chain.from_iterable(corpora))), given, texts)
        skipped = checked_skipped(corpora, sum(counts))
        without_text = WithoutText()
        for corpus in corpora:
            without_text.merge(corpus.without_text)
        if strict and without_text.count:
            names = " ".join(corpus.name for corpus in corpora)
            raise InputError(
                names, f"{without_text}; nothing was added: take them out, or leave --strict out"
            )
        unwanted = gone.ids(counts)
        deleted = writer.delete(unwanted) if unwanted else 0
    spaced.warn()
    return Filled(counts, deleted, skipped, without_text, time.perf_counter() - start)


def checked_skipped(corpora: Sequence[Corpus], read: int) -> int:
    """How many bad records were skipped. Raises `InputError` if there was no other."""
    skipped = sum(corpus.skipped for corpus in corpora)
    if skipped and not read:
        names = " ".join(corpus.name for corpus in corpora)
        raise InputError(
            names, f"every record is bad ({counted(skipped, 'record')} skipped), nothing is left to add"
        )
    return skipped


def opened_by(sources: Sequence[str], how: dict[str, Any]) -> list[Corpus]:
    """The sources as `opened`, read as a command's options say, which are taken out of `how`."""
    names = ("format", "xml", "root", "skip_bad", "max_line")
    return opened(sources, **{name: how.pop(name) for name in names})


def opened(
    sources: Sequence[str],
    *,
    format: str | None,
    xml: str | None,
    root: Path | None,
    skip_bad: bool,
    max_line: int,
) -> list[Corpus]:
    """The sources as collections, read as `reading_options` say. Raises `InputError` for files that share an id."""
    if max_line < 1:
        raise UsageError(f"--max-line is {max_line}: wanted at least 1 byte")
    mapping = None if xml is None else XmlMapping.parsed(xml)
    options = ReadOptions(skip_bad=skip_bad, max_line=max_line, xml=mapping, root=root)
    corpora = [open_corpus(source, format=format, options=options) for source in sources]
    check_distinct(corpora)
    return corpora


def _vectors(path: Path) -> Iterator[npt.NDArray[Any]]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadVectors(f"{path} is no .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise BadVectors(f"{path} is an .npz archive: wanted one array, saved by numpy.save as .npy")
    if array.ndim != 2:
        raise BadVectors(f"{path} has shape {array.shape}: wanted one row of numbers for each document")
    return iter(array)


def with_total(progress: Progress | None, corpora: Sequence[Corpus]) -> Progress | None:
    """Adds to the count of documents how many there will be, guessed from the share of bytes read."""
    sizes = [corpus.bytes_total for corpus in corpora]
    known = sum(size for size in sizes if size is not None)
    if progress is None or None in sizes or not known:
        return progress

    def shown(stage: str, done: int, total: int | None) -> None:
        read = sum(corpus.bytes_read for corpus in corpora)
        if stage == "documents" and total is None and read:
            total = max(done, round(done * known / read))
        progress(stage, done, total)

    return shown


def report(index: Index, filled: Filled, *, as_json: bool) -> None:
    """Print what became of the sources, and what the index holds now."""
    (added, updated, unchanged), deleted, skipped, without_text, seconds = filled
    if without_text.count:
        _log.warning("%s", without_text)
    encoded, cached = index.encodings
    info = index.info()
    if as_json:
        print_json(
            {
                "index": str(index.path),
                "added": added,
                "updated": updated,
                "unchanged": unchanged,
                "deleted": deleted,
                "skipped": skipped,
                "without_text": without_text.described(),
                "encoded": encoded,
                "cached": cached,
                **{name: info[name] for name in _TOLD},
                "seconds": round(seconds, 3),
            }
        )
        return
    pruned = f", {deleted:,} deleted" if deleted else ""
    left_out = f", {counted(skipped, 'bad record')} skipped" if skipped else ""
    click.echo(
        f"{index.path}: {added:,} added, {updated:,} updated, {unchanged:,} unchanged{pruned}{left_out}; "
        f"{counted(info['documents'], 'document')} in {counted(info['passages'], 'passage')} ({seconds:.1f} s)"
    )
    if cached:
        click.echo(f"{counted(encoded, 'passage')} encoded, {cached:,} taken from the vector cache", err=True)
