"""Published schemas on rows of our own: what each field becomes, and what real files have that no card says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from labelled_files import json_lines, written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.questions.open import read_questions
from retrieve.errors import InputError, UsageError
from retrieve.types import Question

SKIP = ReadOptions(skip_bad=True)


def answers(questions: list[Question]) -> list[int | None]:
    return [question.answer for question in questions]


# MedMCQA


def exam(question_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": question_id,
        "question": f"Which drug, {question_id}?",
        "opa": "one",
        "opb": "two",
        "opc": "three",
        "opd": "four",
        "choice_type": "single",
        "exp": "Ans. is 'b'",
        "subject_name": "Pathology",
        "topic_name": None,
        **more,
    }


def test_medmcqa_of_its_authors_counts_from_one(tmp_path: Path) -> None:
    """JSON lines called .json (helm's scenario says so), `cop` - 1 in the authors' dataset.py, no `cop` in test."""
    json_lines(tmp_path / "train.json", exam("1", cop=1), exam("2", cop=4))
    json_lines(tmp_path / "dev.json", exam("3", cop=2))
    json_lines(tmp_path / "test.json", exam("4"))
    json_lines(tmp_path / "dataset_info.json", {"splits": 3})
    data = read_questions(tmp_path)
    assert (data.format, answers(data.train), answers(data.validation)) == ("medmcqa", [0, 3], [1])
    assert data.train[0] == Question(
        "1", "Which drug, 1?", ("one", "two", "three", "four"), 0, labels=("A", "B", "C", "D")
    )
    assert answers(data.test) == [None]
    assert data.remarks == [
        "cop counts from 1",
        "1 questions have no answer: 4",
        "1 files are not read, for their names say no split: dataset_info.json",
    ]


def test_medmcqa_of_hugging_face_counts_from_zero(tmp_path: Path) -> None:
    """Its card says "1,2,3,4" (github.com/medmcqa/medmcqa/issues/9); test has -1 (huggingface/datasets#4064)."""
    json_lines(tmp_path / "train.jsonl", exam("1", cop=3), exam("2", cop=1))
    json_lines(tmp_path / "test.jsonl", exam("3", cop=-1))
    data = read_questions(tmp_path)
    assert (answers(data.train), answers(data.test), data.remarks[0]) == ([3, 1], [None], "cop counts from 0")


@pytest.mark.parametrize(("cop", "from_zero"), [(0, True), (-1, True), (4, False)])
def test_medmcqa_one_row_tells_for_all_files(tmp_path: Path, cop: int, from_zero: bool) -> None:
    json_lines(tmp_path / "dev.jsonl", exam("1", cop=2))
    json_lines(tmp_path / "train.jsonl", exam("2", cop=cop))
    assert answers(read_questions(tmp_path).validation) == [2 if from_zero else 1]


def test_medmcqa_that_cannot_be_told_is_refused_and_said(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "dev.jsonl", exam("1", cop=1), exam("2", cop=3))
    with pytest.raises(UsageError, match=r"no row has a cop of 0, -1 or 4.*first_answer=1"):
        read_questions(path)
    assert answers(read_questions(path, first_answer=1).validation) == [0, 2]
    assert answers(read_questions(path, first_answer=0).validation) == [1, 3]
    with pytest.raises(UsageError, match="first_answer is 2; wanted 0 or 1"):
        read_questions(path, first_answer=2)


@pytest.mark.parametrize(
    ("cops", "first", "line"),
    [((0, 4), None, 2), ((4, 0), None, 2), ((4, -1), None, 2), ((1, 5), 1, 2), (("a", 4), None, 1)],
)
def test_medmcqa_values_that_contradict(
    tmp_path: Path, cops: tuple[Any, Any], first: int | None, line: int
) -> None:
    path = json_lines(tmp_path / "dev.jsonl", exam("1", cop=cops[0]), exam("2", cop=cops[1]))
    with pytest.raises(InputError, match=rf'dev\.jsonl:{line}: "cop" is .*first_answer says which'):
        read_questions(path, first_answer=first)


def test_medmcqa_multi_has_one_right_option_too(tmp_path: Path) -> None:
    """A type of "multi" says nothing of the answer (github.com/medmcqa/medmcqa/issues/4)."""
    path = json_lines(tmp_path / "train.jsonl", exam("1", cop=0, choice_type="multi"))
    assert answers(read_questions(path).train) == [0]


def test_medmcqa_an_empty_or_missing_option(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "train.jsonl", exam("1", cop=0), exam("2", cop=0, opd=""), exam("3", cop=0, opd=None)
    )
    with pytest.raises(InputError, match=r":2: option 4 of 4 is empty"):
        read_questions(path)
    assert read_questions(path, options=SKIP).skipped == 2


# MedQA


def usmle(**more: Any) -> dict[str, Any]:
    return {
        "question": "Which of the following is the best treatment for this patient?",
        "answer": "Nitrofurantoin",
        "options": {"A": "Ampicillin", "B": "Ceftriaxone", "C": "Doxycycline", "D": "Nitrofurantoin"},
        "meta_info": "step2&3",
        "answer_idx": "D",
        **more,
    }


def test_medqa_has_no_ids_so_they_are_split_and_line(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", usmle(), usmle(question="other"))
    json_lines(tmp_path / "dev.jsonl", usmle(question="third"))
    json_lines(tmp_path / "US_qbank.jsonl", usmle())  # all of them once more
    data = read_questions(tmp_path)
    assert data.format == "medqa"
    assert [question.id for question in data.train] == ["train-1", "train-2"]
    assert [question.id for question in data.validation] == ["validation-1"]
    assert data.train[0] == Question(
        "train-1",
        "Which of the following is the best treatment for this patient?",
        ("Ampicillin", "Ceftriaxone", "Doxycycline", "Nitrofurantoin"),
        3,
        labels=("A", "B", "C", "D"),
    )
    assert read_questions(tmp_path / "US_qbank.jsonl").train[0].id == "us_qbank-1"


def test_medqa_both_versions_at_once_are_found_out(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", usmle())
    json_lines(tmp_path / "4_options" / "phrases_no_exclude_train.jsonl", usmle())
    with pytest.raises(InputError, match=r"id 'train-1' occurs again.*read one of the two files"):
        read_questions(tmp_path)


def test_medqa_remains_of_scraping_are_taken_off(tmp_path: Path) -> None:
    """Options end with 'Pulmonary embolism\\n"' (jind11/MedQA#5, as helm's scenario has it); real quotes stay."""
    options = {"A": 'Pulmonary embolism\n"', "B": 'He says "no"', "C": "Sepsis "}
    path = json_lines(
        tmp_path / "test.jsonl", usmle(options=options, answer="Pulmonary embolism", answer_idx="A")
    )
    (question,) = read_questions(path).test
    assert (question.choices, question.answer) == (("Pulmonary embolism", 'He says "no"', "Sepsis"), 0)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"answer_idx": None}, 3),
        ({"answer_idx": None, "answer": "D"}, 3),
        ({"answer": None}, 3),
        ({"answer": None, "answer_idx": None}, None),
    ],
)
def test_medqa_answers_by_letter_or_by_text(
    tmp_path: Path, changes: dict[str, Any], answer: int | None
) -> None:
    assert answers(read_questions(json_lines(tmp_path / "test.jsonl", usmle(**changes))).test) == [answer]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer_idx": "E"}, "answer 'E' is not an option, wanted one of 'A', 'B', 'C', 'D'"),
        ({"answer": "Ampicillin"}, "answer_idx is option 'Nitrofurantoin' and answer is 'Ampicillin'"),
        ({"answer_idx": None, "answer": "Aspirin"}, "answer 'Aspirin' is not an option"),
        ({"answer_idx": None, "answer": "x", "options": {"A": "x", "B": "x"}}, "is the text of two options"),
        ({"options": ["a", "b"]}, '"options" is not an object'),
        ({"options": {"A": "a"}, "answer": "a", "answer_idx": "A"}, "1 options, wanted two or more"),
    ],
)
def test_medqa_errors(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = json_lines(tmp_path / "test.jsonl", usmle(), usmle(**changes))
    with pytest.raises(InputError, match=rf"test\.jsonl:2: .*{message}"):
        read_questions(path)


# PubMedQA


def record(answer: str | None = "yes", **more: Any) -> dict[str, Any]:
    decision = {} if answer is None else {"final_decision": answer}
    return {
        "QUESTION": 'Do {mitochondria} play a "}" role?',
        "CONTEXTS": ["Background [1].", "Results }."],
        "LABELS": ["BACKGROUND", "RESULTS"],
        "MESHES": [],
        "YEAR": "2011",
        **decision,
        "LONG_ANSWER": "They do.",
        **more,
    }


def pmids(path: Path, records: dict[str, Any], indent: int | None = 4) -> Path:
    return written(path, json.dumps(records, indent=indent))


@pytest.mark.parametrize("indent", [4, None])
def test_pubmedqa_of_its_authors(tmp_path: Path, indent: int | None) -> None:
    """One object of PMID → record. `test_ground_truth.json` has the official test's PMIDs, and no question."""
    path = pmids(
        tmp_path / "ori_pqal.json", {"216": record("maybe"), "164": record("no"), "9": record(None)}, indent
    )
    pmids(tmp_path / "test_ground_truth.json", {"164": "no"})
    for source in (tmp_path, path):
        data = read_questions(source)
        assert (data.format, answers(data.train), answers(data.test)) == ("pubmedqa", [2, None], [1])
    assert data.train[0] == Question(
        "216", 'Do {mitochondria} play a "}" role?', ("yes", "no", "maybe"), 2, facts=("216-0", "216-1")
    )


def test_pubmedqa_without_the_official_list_is_train_and_says_so(tmp_path: Path) -> None:
    data = read_questions(pmids(tmp_path / "ori_pqal.json", {"1": record()}))
    assert (len(data.train), len(data.test)) == (1, 0)
    assert "no test_ground_truth.json beside ori_pqal.json" in data.remarks[0]


def test_pubmedqa_split_by_its_own_script(tmp_path: Path) -> None:
    pmids(tmp_path / "pqaa_train_set.json", {"1": record()})
    pmids(tmp_path / "pqaa_dev_set.json", {"2": record("no")})
    pmids(tmp_path / "test_ground_truth.json", {"2": "no"})
    data = read_questions(tmp_path)
    assert (answers(data.train), answers(data.validation), data.test) == ([0], [1], [])


def test_pubmedqa_errors_have_the_line_of_their_record(tmp_path: Path) -> None:
    path = pmids(tmp_path / "ori_pqal.json", {"1": record(), "2": record("perhaps"), "3": record()})
    lines = path.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if '"2": {' in text)
    with pytest.raises(InputError, match=rf"ori_pqal\.json:{line}: answer 'perhaps' is not an option"):
        read_questions(path)
    data = read_questions(path, options=SKIP)
    assert ([question.id for question in data.train], data.skipped) == (["1", "3"], 1)


def test_pubmedqa_a_pmid_twice(tmp_path: Path) -> None:
    """Python's decoder would keep the last of the two."""
    one = json.dumps(record())
    path = written(tmp_path / "ori_pqal.json", f'{{"1": {one},\n"1": {one}}}')
    with pytest.raises(InputError, match=r"json:2: id '1' occurs again, it is already at .*json:1"):
        read_questions(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"1": %s', r":1: the file ends inside"),
        ('{"1": %s,\n"2": "yes"}', r":2: '\"yes\"' at column 6"),
        ('{"1": %s}\n{"2": %s}', r":2: '\{' at column 1"),
        ('{"1": %s,\n%s}', r":2: '\{' at column 1"),
        ('{"1": %s,\n"2": {"QUESTION": ]}}', r":2: broken JSON"),
        ('{"1": %s,\n"2": {"QUESTION": "a", "QUESTION": "b"}}', r":2: the key 'QUESTION' occurs twice"),
    ],
)
def test_pubmedqa_broken_files(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path / "ori_pqal.json", text.replace("%s", json.dumps(record())))
    with pytest.raises(InputError, match=message):
        read_questions(path)


def test_pubmedqa_a_record_over_the_limit_is_one_bad_row(tmp_path: Path) -> None:
    path = pmids(
        tmp_path / "ori_pqal.json", {"1": record(), "2": record(LABELS=["long " * 40] * 5), "3": record()}
    )
    with pytest.raises(InputError, match=r"ori_pqal\.json:\d+: longer than 600 bytes"):
        read_questions(path, options=ReadOptions(max_line=600))
    data = read_questions(path, options=ReadOptions(skip_bad=True, max_line=600))
    assert ([question.id for question in data.train], data.skipped) == (["1", "3"], 1)


def test_pubmedqa_of_ours(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "question": "q", "answer": "yes", "gold_passages": ["1-0"], "split": "cv"},
        {"id": "2", "question": "r", "answer": "maybe", "gold_passages": ["2-0", "2-1"], "split": "test"},
    ]
    json_lines(tmp_path / "questions.jsonl", *rows)
    json_lines(tmp_path / "corpus.jsonl", {"_id": "1-0", "title": "", "text": "t"})
    data = read_questions(tmp_path)
    assert data.train == [Question("1", "q", ("yes", "no", "maybe"), 0, facts=("1-0",))]
    assert (data.test[0].answer, data.test[0].facts, data.remarks) == (2, ("2-0", "2-1"), [])


# ARC and OpenBookQA


def school(question_id: str, labels: str = "ABCD", key: str = "A", **more: Any) -> dict[str, Any]:
    options = [{"text": f"option {label}", "label": label} for label in labels]
    return {
        "id": question_id,
        "question": {"stem": f"stem of {question_id}", "choices": options},
        "answerKey": key,
        **more,
    }


def test_arc_labels_are_letters_or_digits_and_not_always_four(tmp_path: Path) -> None:
    """127 of 3,370 training keys are not A to D (confident-ai/deepeval#3070): letters counted would be wrong."""
    json_lines(
        tmp_path / "ARC-Easy" / "ARC-Easy-Train.jsonl", school("1", "1234", "3"), school("2", "ABCDE", "E")
    )
    json_lines(tmp_path / "ARC-Challenge" / "ARC-Challenge-Train.jsonl", school("3", "ABC", "B"))
    json_lines(tmp_path / "ARC-Challenge" / "ARC-Challenge-Dev.jsonl", school("4"))
    data = read_questions(tmp_path)
    assert (data.format, answers(data.validation)) == ("arc", [0])
    assert [(question.id, question.answer, question.labels) for question in data.train] == [
        ("3", 1, ("A", "B", "C")),
        ("1", 2, ("1", "2", "3", "4")),
        ("2", 4, ("A", "B", "C", "D", "E")),
    ]
    assert data.train[0].text == "stem of 3"
    assert data.train[0].choices == ("option A", "option B", "option C")


def flat(question_id: str, key: str | None = "2", text: str = "question", **more: Any) -> dict[str, Any]:
    choices = {"text": ["grow", "wilt"], "label": ["1", "2"]}
    return {"id": question_id, text: f"{text} {question_id}", "choices": choices, "answerKey": key, **more}


def test_arc_of_hugging_face(tmp_path: Path) -> None:
    data = read_questions(json_lines(tmp_path / "validation.jsonl", flat("1"), flat("2", "")))
    assert data.format == "arc"
    assert data.validation[0] == Question("1", "question 1", ("grow", "wilt"), 1, labels=("1", "2"))
    assert data.validation[1].answer is None


def test_openbookqa_a_fact_s_id_is_its_text(tmp_path: Path) -> None:
    row = school("7-980", key="D", fact1="the sun is the source of energy ", humanScore=1.0, clarity=2.0)
    data = read_questions(json_lines(tmp_path / "train_complete.jsonl", row))
    assert data.format == "openbookqa"
    assert (data.train[0].facts, data.train[0].answer) == (("the sun is the source of energy",), 3)
    assert data.remarks == ["a fact's id is its text: the book has none, so give its lines such ids"]


def test_openbookqa_of_hugging_face(tmp_path: Path) -> None:
    data = read_questions(json_lines(tmp_path / "train.jsonl", flat("1", text="question_stem")))
    assert (data.format, data.train[0].text, data.train[0].facts) == ("openbookqa", "question_stem 1", ())
    assert data.remarks == []


def test_openbookqa_whose_labels_are_its_texts(tmp_path: Path) -> None:
    """What the copy held until May 2022 (huggingface/datasets#3550): no answer can be looked up."""
    broken = flat("1", "B", choices={"text": ["grow", "wilt"], "label": ["grow", "wilt"]})
    with pytest.raises(InputError, match=r":1: answer 'B' is not an option, wanted one of 'grow', 'wilt'"):
        read_questions(json_lines(tmp_path / "train.jsonl", broken))


def test_openbookqa_both_folders_at_once_are_found_out(tmp_path: Path) -> None:
    json_lines(tmp_path / "Main" / "train.jsonl", school("7-980"))
    json_lines(tmp_path / "Additional" / "train_complete.jsonl", school("7-980", fact1="f"))
    with pytest.raises(InputError, match="id '7-980' occurs again"):
        read_questions(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (school("2", key="E"), "answer 'E' is not an option, wanted one of 'A', 'B', 'C', 'D'"),
        (school("2", "A"), "1 options, wanted two or more"),
        (school("2", "AA"), "label 'A' stands for two options"),
        (school("2") | {"question": {"stem": "s", "choices": ["a"]}}, '"choices" is not a list of objects'),
        (school("2") | {"question": {"stem": "s", "choices": [{"text": "a"}]}}, 'there is no "label"'),
        (school("2") | {"question": {"stem": "", "choices": school("2")["question"]["choices"]}}, "is empty"),
        (school("2", key="A", fact1=7), '"fact1" is 7'),
        ({"answerKey": "A", "question": school("2")["question"]}, 'there is no "id"'),
    ],
)
def test_arc_errors(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"dev\.jsonl:2: .*{message}"):
        read_questions(json_lines(tmp_path / "dev.jsonl", school("1"), row))
