"""Patients' records of the n2c2 cohort-selection challenge (2018, track 1): one XML file a patient.

<PatientMatching> holds a <TEXT> and <TAGS> with an element for each criterion, met="met" or met="not met". The labels
of a patient are the criteria met.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.fields import SPLITS, labelled
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.rows import Row
from retrieve.corpora.split_files import Part
from retrieve.corpora.stream import Stream, regular_size, shown, too_long
from retrieve.errors import InputError
from retrieve.types import LabelledDocument

_ROOT = "PatientMatching"


def recognised(layout: Layout) -> bool:
    """Whether the first .xml file begins with the root element."""
    files = layout.with_suffix(".xml")
    if not files:
        return False
    with Stream.open(files[0]) as stream:
        return f"<{_ROOT}".encode() in stream.peek()


def open_cohort(layout: Layout) -> Reading:
    """A file, or a folder of them; the id is the file's name, the split its folder's where that is called so.

    A criterion that no patient meets is a label all the same.
    """
    files = layout.with_suffix(".xml")
    if not files:
        raise InputError(layout.name, "holds no .xml file")
    parts = [
        Part(
            shown(path),
            partial(_rows, path),
            SPLITS.get(path.parent.name.lower()) if path != layout.source else None,
        )
        for path in files
    ]
    criteria: set[str] = set()
    for path in files:
        try:
            criteria.update(tag.tag for tag in _tags(_tree(path, layout.options), shown(path)))
        except InputError:  # named when the file is read
            continue
    return Reading(layout.name, parts, task="multilabel", labels=tuple(sorted(criteria)))


def _rows(path: Path, options: ReadOptions) -> LabelledRows:
    try:
        yield Row(1, _patient(path, options))
    except InputError as error:
        yield Row(1, error)


def _patient(path: Path, options: ReadOptions) -> LabelledDocument:
    where = shown(path)
    tree = _tree(path, options)
    texts = tree.findall("TEXT")
    if len(texts) != 1:
        raise InputError(where, f"has {len(texts)} <TEXT>, wanted one")
    met = []
    for tag in _tags(tree, where):
        if tag.get("met") not in ("met", "not met"):
            raise InputError(where, f'<{tag.tag}> has met="{tag.get("met")}", wanted "met" or "not met"')
        if tag.get("met") == "met":
            met.append(tag.tag)
    return labelled(where, path.name.split(".")[0], (texts[0].text or "").strip(), tuple(met))


def _tags(tree: ElementTree.Element, where: str) -> list[ElementTree.Element]:
    tags = [tag for group in tree.findall("TAGS") for tag in group]
    if not tags or len({tag.tag for tag in tags}) != len(tags):
        raise InputError(where, "has no <TAGS> with each criterion once: these data are not labelled")
    return tags


def _tree(path: Path, options: ReadOptions) -> ElementTree.Element:
    where = shown(path)
    if (regular_size(path) or 0) > options.max_line:
        raise too_long(where, options.max_line)
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(where, f"is not well-formed XML ({error}): repair it or take it out") from error
    if root.tag != _ROOT:
        raise InputError(where, f"has <{root.tag}> as its root, wanted <{_ROOT}>")
    return root
