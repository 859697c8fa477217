"""WorldTree's tables: options inside of a text, explanations in a cell, and what real tables have besides."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_files import written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.questions.open import read_questions
from retrieve.corpora.questions.worldtree import split_options
from retrieve.errors import InputError
from retrieve.types import Question

HEADING = (
    "QuestionID\toriginalQuestionID\ttotalPossiblePoint\tAnswerKey\tisMultipleChoiceQuestion\tincludesDiagram\texamName"
    "\tschoolGrade\tyear\tquestion\tsubject\tcategory\ttopic\tflags\texplanation"
)


def row(
    question_id: str, question: str, key: str, explanation: str = "", flags: str = "SUCCESS", **more: str
) -> str:
    kind, category = more.get("kind", "1"), more.get("category", "Train")
    about = f"0\tMCAS\t5\t2010\t{question}\t\t{category}\tMAT"
    return "\t".join([question_id, "7", "1", key, kind, about, flags, explanation])


def table(path: Path, *rows: str, heading: str = HEADING) -> Path:
    return written(path, "\n".join([heading, *rows]) + "\n")


ENERGY = "Which is a form of energy? (A) the air in a jar (B) the sound in a room (C) a wire"


def test_splits_are_files_and_roles_stand_beside_facts(tmp_path: Path) -> None:
    folder = tmp_path / "questions"
    table(folder / "questions.train.tsv", row("MCAS_1", ENERGY, "B", "1980-256d|CENTRAL 9f4e-2412|LEXGLUE"))
    table(folder / "questions.dev.tsv", row("MCAS_2", "Ice is (1) water (2) air", "2", category="Train"))
    table(folder / "questions.test.tsv", row("MCAS_3", ENERGY, "", flags=""))
    written(tmp_path / "tablestore" / "tables" / "CAUSE.tsv", "[SKIP] UID\tCAUSE\n1980-256d\theat\n")
    data = read_questions(tmp_path)
    assert data.format == "worldtree"
    assert data.train == [
        Question(
            "MCAS_1",
            "Which is a form of energy?",
            ("the air in a jar", "the sound in a room", "a wire"),
            1,
            labels=("A", "B", "C"),
            facts=("1980-256d", "9f4e-2412"),
            roles=("CENTRAL", "LEXGLUE"),
        )
    ]
    assert data.validation == [Question("MCAS_2", "Ice is", ("water", "air"), 1, labels=("1", "2"))]
    assert (data.test[0].answer, data.test[0].facts) == (None, ())
    assert data.remarks == [
        "1 questions have no answer: MCAS_3",
        "1 questions of validation or test occur in train with the same words and options: MCAS_3",
        "1 files are not read, for their names say no split: CAUSE.tsv",
    ]


def test_version_1_has_one_table_and_commas_in_its_heading(tmp_path: Path) -> None:
    """`",,QuestionID"` in clulab/worldtree-api, data/lrec2018/…/questionsAndExplanations.tsv; splits are a column."""
    path = table(
        tmp_path / "questionsAndExplanations.tsv",
        row("93884", f'"{ENERGY}"', "A", "a|CENTRAL"),
        row("89695", ENERGY, "B", category="Dev"),
        row("89696", ENERGY, "B", category=""),
        heading='",,' + HEADING.replace("\t", '"\t', 1),
    )
    data = read_questions(path)
    assert [question.id for question in data.train] == ["93884", "89696"]
    assert [question.id for question in data.validation] == ["89695"]


def test_roles_beyond_the_documented_four(tmp_path: Path) -> None:
    """ROLE, NEG and NE occur (github.com/umanlp/tg2019task/issues/1)."""
    path = table(tmp_path / "questions.dev.tsv", row("1", ENERGY, "A", "a|ROLE b|NEG c|NE"))
    assert read_questions(path).validation[0].roles == ("ROLE", "NEG", "NE")


def test_a_fact_may_have_two_roles_and_the_same_one_only_once(tmp_path: Path) -> None:
    """Question 89703 of version 1 has 8c71-80c8-0818-62bf as LEXGLUE and as CENTRAL."""
    path = table(
        tmp_path / "questions.dev.tsv", row("1", ENERGY, "A", "a|LEXGLUE a|CENTRAL b|CENTRAL b|CENTRAL")
    )
    (question,) = read_questions(path).validation
    assert (question.facts, question.roles) == (("a", "a", "b"), ("LEXGLUE", "CENTRAL", "CENTRAL"))


def test_unfinished_explanations_are_counted(tmp_path: Path) -> None:
    """The shared task evaluates those flagged success or ready (cognitiveailab/tg2020task, evaluate.py)."""
    path = table(
        tmp_path / "questions.dev.tsv",
        row("1", ENERGY, "A", "a|CENTRAL", " ready"),
        row("2", ENERGY, "A", "a|CENTRAL", " FLAG3"),
        row("3", ENERGY, "A", "", "EMPTY FLAG3"),
    )
    data = read_questions(path)
    assert len(data.validation) == 3
    assert "1 explanations are not flagged SUCCESS or READY (1 FLAG3)" in data.remarks[0]


def test_questions_without_options_are_left_out(tmp_path: Path) -> None:
    path = table(tmp_path / "questions.dev.tsv", row("1", ENERGY, "A"), row("2", "Explain.", "", kind="0"))
    data = read_questions(path)
    assert (len(data.validation), data.remarks) == (1, ["1 rows are left out: they are no multiple choice"])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row("2", ENERGY, "D"), "answer 'D' is not an option, wanted one of 'A', 'B', 'C'"),
        (row("2", ENERGY, "1"), r"has no options \(1\), \(2\), … in order"),
        (row("2", "Which? (B) one (C) two", "B"), r"has no options \(A\), \(B\), … in order"),
        (row("2", "Which? (A) one", "A"), "1 options, wanted two or more"),
        (row("2", "(A) one (B) two", "A"), "the question is empty"),
        (row("2", "Which? (A) (B) two", "B"), "option 1 of 2 is empty"),
        (row("2", ENERGY, "A", "uid"), r"the explanation has 'uid', wanted uid\|ROLE"),
        (row("1", ENERGY, "A"), "id '1' occurs again"),
        (row("", ENERGY, "A"), "id is empty"),
        ("2\t7\t1", "3 columns, and the heading has 15"),
    ],
)
def test_errors(tmp_path: Path, bad: str, message: str) -> None:
    path = table(tmp_path / "questions.dev.tsv", row("1", ENERGY, "A"), bad)
    with pytest.raises(InputError, match=rf"questions\.dev\.tsv:3: .*{message}"):
        read_questions(path)
    assert read_questions(path, options=ReadOptions(skip_bad=True)).skipped == 1


def test_a_table_of_other_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "dev.tsv", row("1", ENERGY, "A"), heading=HEADING.replace("AnswerKey", "Key"))
    with pytest.raises(InputError, match="not recognised"):
        read_questions(path)
    with pytest.raises(InputError, match="has no column 'AnswerKey'; the heading has 'QuestionID'"):
        read_questions(path, format="worldtree")


@pytest.mark.parametrize(
    ("text", "key", "labels", "choices"),
    [
        (
            "Large amounts are in (A) wood (B) air (C) bone (D) oil (E) rock",
            "E",
            "ABCDE",
            "wood air bone oil rock",
        ),
        ("Look at (A) and (B). Which? (A) one (B) two", "A", "AB", "one two"),
        ("See (1) below. Which? (A) one (B) two", "A", "AB", "one two"),
        ("Which?(A)one(B)two", "B", "AB", "one two"),
        ("Which? (1) one (2) two", "", "12", "one two"),
        ("Which? (A) one (B) two", "", "AB", "one two"),
        ("Which? (A) Fe(2) (B) Fe(3)", "A", "AB", "Fe(2) Fe(3)"),
    ],
)
def test_options_are_cut_out_of_the_text(text: str, key: str, labels: str, choices: str) -> None:
    question, found, cut = split_options(text, key, "here")
    assert (found, cut) == (tuple(labels), tuple(choices.split()))
    assert text.startswith(question)


@pytest.mark.parametrize(
    "text", ["Which? (A) vitamin (B) (B) fat (C) salt", "Which? (A) one (B) two (D) three"]
)
def test_options_that_cannot_be_told_apart_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"stands inside of an option too|no options"):
        split_options(text, "A", "here")
