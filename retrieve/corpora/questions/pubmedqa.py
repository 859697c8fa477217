"""PubMedQA (Jin et al. 2019): a question about its own abstract, answered yes, no or maybe.

Read are the authors' files, one object of PMID → record each (`ori_pqal.json`, `ori_pqaa.json`, `ori_pqau.json` and
what their script splits off), and our `questions.jsonl`. The sections of an abstract have the ids PMID-0, PMID-1, … in
both; that is what `corpus.jsonl` calls them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows, parse_object
from retrieve.corpora.labelled.fields import id_of, split_of, strings_of, text_of
from retrieve.corpora.labelled.label_file import read_descriptions
from retrieve.corpora.questions.fields import asked, no_option
from retrieve.corpora.questions.files import GROUND_TRUTH, Source
from retrieve.corpora.questions.members import Member, members
from retrieve.corpora.questions.records import QuestionRows, Reading, Told
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream

ANSWERS = ("yes", "no", "maybe")

_CROSS_VALIDATION = "cv"


def recognised(source: Source) -> bool:
    """Whether records have QUESTION, or question and gold passages."""
    fields = source.first_object
    return "QUESTION" in fields or {"question", "gold_passages"} <= fields.keys()


def open_pubmedqa(source: Source) -> Reading:
    """The files at the source. Facts are the sections of the abstract without its conclusion.

    Where a file's name says no split and `test_ground_truth.json` is beside it, the 500 PMIDs of that are test and the
    others, which are for cross-validation, train.
    """
    files = source.json_files()
    if "QUESTION" not in source.first_object:
        return Reading([file_part(path, _read_lines, split) for path, split in files])
    parts, lacking = [], []
    for path, split in files:
        truth = path.parent / GROUND_TRUTH
        tests = frozenset(read_descriptions(truth)) if split is None and truth.is_file() else None
        if split is None and tests is None:
            lacking.append(f"there is no {GROUND_TRUTH} beside {path.name}: its PMIDs are the official test")
        parts.append(file_part(path, partial(_read_object, tests=tests), split))
    return Reading(parts, lambda: lacking)


def _read_lines(stream: Stream, options: ReadOptions) -> QuestionRows:
    def parse(fields: dict[str, Any], where: str) -> Told:
        split = fields.get("split")
        return Told(
            asked(
                where,
                id_of(fields, "id", where),
                text_of(fields, "question", where),
                ANSWERS,
                answer=_answer(fields, "answer", where),
                facts=strings_of(fields, "gold_passages", where),
            ),
            "train" if split == _CROSS_VALIDATION else split_of(fields, "split", where),
        )

    return json_rows(stream, options, parse)


def _read_object(stream: Stream, options: ReadOptions, *, tests: frozenset[str] | None) -> QuestionRows:
    def parse(member: Member, where: str) -> Told:
        fields = parse_object(member.text, where)
        sections = strings_of(fields, "CONTEXTS", where)
        question = asked(
            where,
            member.key,
            text_of(fields, "QUESTION", where),
            ANSWERS,
            answer=_answer(fields, "final_decision", where),
            facts=[f"{member.key}-{section}" for section in range(len(sections))],
        )
        return Told(question, None if tests is None else "test" if member.key in tests else "train")

    return parsed_rows(stream.name, members(stream, options), parse)


def _answer(fields: dict[str, Any], name: str, where: str) -> int | None:
    """PQA-U has none."""
    if fields.get(name) is None:
        return None
    answer = text_of(fields, name, where)
    if answer not in ANSWERS:
        raise no_option(answer, ANSWERS, where)
    return ANSWERS.index(answer)
