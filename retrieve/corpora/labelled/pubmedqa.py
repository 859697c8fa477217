"""PubMedQA (Jin et al. 2019) as questions and passages: a question with its abstract, answered yes, no or maybe."""

from __future__ import annotations

from typing import Any

from retrieve.corpora.corpus import Corpus, ReadOptions
from retrieve.corpora.jsonl import json_rows, read_jsonl
from retrieve.corpora.labelled.fields import id_of, joined, labelled, strings_of, text_of
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.part import FilePart
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError
from retrieve.types import LabelledDocument

ANSWERS = ("maybe", "no", "yes")

_SPLITS = {"cv": "train", "test": "test"}


def recognised(layout: Layout) -> bool:
    """Whether there are questions and passages with gold passages and answers."""
    return layout.named("questions.jsonl") is not None and layout.named("corpus.jsonl") is not None


def open_pubmedqa(layout: Layout) -> Reading:
    """A folder with `questions.jsonl` and `corpus.jsonl`: paragraphs are the question and its gold passages.

    The 500 of cross-validation are train.
    """
    questions, corpus = layout.named("questions.jsonl"), layout.named("corpus.jsonl")
    if questions is None or corpus is None:
        raise InputError(layout.name, "wanted questions.jsonl and corpus.jsonl")
    parts = [FilePart.at(corpus, read_jsonl)]
    passages = {document.id: document.text for document in Corpus(layout.name, parts, layout.options)}

    def parse(fields: dict[str, Any], where: str) -> LabelledDocument:
        gold = strings_of(fields, "gold_passages", where)
        if lacking := [passage for passage in gold if passage not in passages]:
            raise InputError(where, f"passage {lacking[0]!r} is not in {corpus.name}")
        split = text_of(fields, "split", where)
        if split not in _SPLITS:
            raise InputError(where, f"split {split!r}: wanted cv or test")
        text, spans = joined([text_of(fields, "question", where), *(passages[passage] for passage in gold)])
        return labelled(
            where,
            id_of(fields, "id", where),
            text,
            (text_of(fields, "answer", where),),
            paragraphs=spans,
            split=_SPLITS[split],
        )

    def read(stream: Stream, options: ReadOptions) -> LabelledRows:
        return json_rows(stream, options, parse)

    return Reading(layout.name, [file_part(questions, read)], task="multiclass", labels=ANSWERS)
