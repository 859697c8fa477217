"""MedMCQA (Pal et al. 2022): four options and `cop`, the place of the right one.

The authors' files (train.json, dev.json, test.json: JSON lines in spite of their names) count `cop` from 1, and their
test has none. The copy on Hugging Face counts from 0, with -1 in its test, while its card says 1 to 4. Nothing else
tells the two apart, so the values of all files at the source do: a 0 or -1 is the copy's, a 4 is the authors'.
"""

from __future__ import annotations

from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import filled_lines, json_rows, parse_object
from retrieve.corpora.labelled.fields import id_of, text_of
from retrieve.corpora.questions.fields import LETTERS, asked
from retrieve.corpora.questions.files import Filed, Source
from retrieve.corpora.questions.records import QuestionRows, Reading, Told
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError, UsageError

_OPTIONS = ("opa", "opb", "opc", "opd")


def recognised(source: Source) -> bool:
    """Whether options are called opa, opb, opc and opd."""
    return {"question", *_OPTIONS} <= source.first_object.keys()


def open_medmcqa(source: Source, *, first_answer: int | None = None) -> Reading:
    """The files at the source. `first_answer`: the `cop` of the first option, 0 or 1; without it, as the values say.

    `choice_type` is not read: rows of "multi" have one right option too. Raises `UsageError` if the values leave open
    what they count from.
    """
    if first_answer not in (None, 0, 1):
        raise UsageError(f"first_answer is {first_answer}; wanted 0 or 1, the number of the first option")
    files = source.json_files()
    first = _first_answer(source, files) if first_answer is None else first_answer

    def read(stream: Stream, options: ReadOptions) -> QuestionRows:
        return json_rows(stream, options, lambda fields, where: _question(fields, where, first))

    remarks = [] if first is None else [f"cop counts from {first}"]
    return Reading([file_part(path, read, split) for path, split in files], lambda: remarks)


def _first_answer(source: Source, files: Filed) -> int | None:
    """What the values of `cop` count from; None where there are none. Rows that cannot be read are named later."""
    seen = False
    for path, _ in files:
        with Stream.open(path) as stream:
            for line, item in filled_lines(stream, source.options):
                if isinstance(item, InputError):
                    continue
                try:
                    cop = parse_object(item, f"{path}:{line}").get("cop")
                except InputError:
                    continue
                if cop in (0, -1):
                    return 0
                if cop == 4:
                    return 1
                seen |= cop is not None
    if seen:
        raise UsageError(
            f"{source.name}: no row has a cop of 0, -1 or 4, so the first option may be 0 or 1: say first_answer=1 for "
            "the authors' files, first_answer=0 for the copy on Hugging Face"
        )
    return None


def _question(fields: dict[str, Any], where: str, first: int | None) -> Told:
    return Told(
        asked(
            where,
            id_of(fields, "id", where),
            text_of(fields, "question", where),
            [text_of(fields, option, where) for option in _OPTIONS],
            answer=_answer(fields.get("cop"), first, where),
            labels=LETTERS,
        )
    )


def _answer(cop: object, first: int | None, where: str) -> int | None:
    if cop is None or (cop == -1 and first == 0):
        return None
    start = first or 0
    places = range(start, start + len(_OPTIONS))
    if not isinstance(cop, int) or isinstance(cop, bool) or cop not in places:
        raise InputError(
            where,
            f'"cop" is {cop!r}, wanted {places[0]} to {places[-1]}; the copy on Hugging Face counts from 0 and the '
            "authors from 1: first_answer says which",
        )
    return places.index(cop)
