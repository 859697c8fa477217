"""Reuters-21578 as it was released: `reut2-000.sgm` to `reut2-021.sgm`, under the ModApte split.

The files are SGML in Latin-1 with numeric references to control characters, which no XML parser takes. ModApte
(Apté et al. 1994): TOPICS="YES" and LEWISSPLIT TRAIN or TEST; other stories are left out and counted.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.fields import checked_labels, labelled
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.rows import Row
from retrieve.corpora.split_files import LeftOut, file_part
from retrieve.corpora.stream import Stream, too_long
from retrieve.errors import InputError, UsageError
from retrieve.types import LabelledDocument

_OPEN = re.compile(r"<REUTERS\b([^>]*)>")
_CLOSE = "</REUTERS>"
_ATTRIBUTE = re.compile(r'([A-Z]+)="([^"]*)"')
_CONTROL = re.compile(r"&#(\d+);")
_SIGNATURE = re.compile(r"\s+reuter\s*\Z", re.IGNORECASE)
_SPLITS = {"TRAIN": "train", "TEST": "test"}


def recognised(layout: Layout) -> bool:
    """Whether there is a file reut2-….sgm."""
    return any(path.name.lower().startswith("reut2-") for path in layout.with_suffix(".sgm"))


def open_reuters(layout: Layout, *, topics: str = "modapte-90") -> Reading:
    """The files of the collection. Text is headline, blank line, dateline and body; labels are topics.

    `topics`: "modapte-90", those with a document in train and in test and the stories that have one of them (the usual
    7,769 and 3,019); or "all", every story of the split and every topic, () where it has none.
    """
    if topics not in ("modapte-90", "all"):
        raise UsageError(f'topics {topics!r}: wanted "modapte-90" or "all"')
    files = [path for path in layout.with_suffix(".sgm") if path.name.lower().startswith("reut2-")]
    if not files:
        raise InputError(layout.name, "holds no reut2-….sgm")
    in_both = _topics_in_both(files, layout.options) if topics == "modapte-90" else None

    def read(stream: Stream, options: ReadOptions) -> LabelledRows:
        for line, outcome in read_stories(stream, options):
            if isinstance(outcome, LabelledDocument) and in_both is not None:
                kept = [label for label in outcome.labels or () if label in in_both]
                yield Row(
                    line, outcome if kept else LeftOut("a story with none of the topics in both splits")
                )
            else:
                yield Row(line, outcome)

    return Reading(
        layout.name,
        [file_part(path, read) for path in files],
        task="multilabel",
        labels=None if in_both is None else tuple(sorted(in_both)),
        restrict=in_both is not None,
    )


def read_stories(stream: Stream, options: ReadOptions) -> LabelledRows:
    """The stories of one file that are in the split, with all their topics."""
    start, size = 0, 0
    pieces: list[str] = []
    number = 0
    while raw := stream.readline(options.max_line + 1):
        number += 1
        line = raw.decode("latin-1")
        if not start and (opened := _OPEN.search(line)):
            start, size, pieces = number, 0, []
            line = line[opened.start() :]
        if not start:
            continue
        size += len(raw)
        if size > options.max_line:
            raise too_long(f"{stream.name}:{start}", options.max_line)
        pieces.append(line)
        if _CLOSE in line:
            yield Row(start, _outcome("".join(pieces), f"{stream.name}:{start}"))
            start = 0
    if start:
        yield Row(start, InputError(f"{stream.name}:{start}", f"<REUTERS> is never closed by {_CLOSE}"))


def _topics_in_both(files: list[Path], options: ReadOptions) -> frozenset[str]:
    """First pass: bad stories are named in the second."""
    found: dict[str, set[str]] = {"train": set(), "test": set()}
    for path in files:
        with Stream.open(path) as stream:
            for _, outcome in read_stories(stream, options):
                if isinstance(outcome, LabelledDocument):
                    found[outcome.split or "train"].update(outcome.labels or ())
    return frozenset(found["train"] & found["test"])


def _outcome(story: str, where: str) -> LabelledDocument | LeftOut | InputError:
    opened = _OPEN.match(story)
    attributes = dict(_ATTRIBUTE.findall(opened[1])) if opened else {}
    split = _SPLITS.get(attributes.get("LEWISSPLIT", ""))
    if attributes.get("TOPICS") != "YES" or split is None:
        return LeftOut(
            "a story outside of the ModApte split (TOPICS is not YES, or LEWISSPLIT not TRAIN or TEST)"
        )
    try:
        return _story(story, attributes, split, where)
    except InputError as error:
        return error


def _story(story: str, attributes: dict[str, str], split: str, where: str) -> LabelledDocument:
    if "NEWID" not in attributes:
        raise InputError(where, "a story without NEWID, its id")
    topics = re.findall(r"<D>(.*?)</D>", _inside(story, "TOPICS"))
    text = _inside(story, "TEXT", attributes=True)
    title, dateline, body = (_plain(_inside(text, tag)) for tag in ("TITLE", "DATELINE", "BODY"))
    if not body:  # TYPE="UNPROC" and "BRIEF": what else stands in <TEXT> is all there is
        rest = re.sub(r"<(TITLE|DATELINE|AUTHOR)>.*?</\1>", "", text, flags=re.DOTALL)
        body = _plain(re.sub(r"</?[A-Z][^>]*>", "", rest))
    body = _SIGNATURE.sub("", body)
    title = " ".join(title.split())
    below = " ".join(part for part in (dateline, body) if part)
    return labelled(
        where,
        attributes["NEWID"],
        "\n\n".join(part for part in (title, below) if part),
        checked_labels(list(dict.fromkeys(html.unescape(topic) for topic in topics)), where),
        metadata={"title": title, "date": _plain(_inside(story, "DATE"))},
        split=split,
    )


def _inside(markup: str, tag: str, *, attributes: bool = False) -> str:
    """What stands between the first <tag> and its end; "" where there is none."""
    opening = rf"<{tag}(?:\s[^>]*)?>" if attributes else f"<{tag}>"
    found = re.search(rf"{opening}(.*?)</{tag}>", markup, re.DOTALL)
    return found[1] if found else ""


def _plain(markup: str) -> str:
    """Text with its entities decoded and the references to control characters taken out."""
    text = _CONTROL.sub(lambda found: "" if int(found[1]) < 32 else found[0], markup)
    text = "".join(c for c in html.unescape(text) if c in "\n\t" or c >= " ")
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))
