"""JSON lines of our own, and what every collection of questions goes through: ids, splits, answers, what is counted."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_files import json_lines, written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.questions.files import split_in
from retrieve.corpora.questions.open import FORMATS, read_questions
from retrieve.errors import InputError, UsageError
from retrieve.types import Question

SKIP = ReadOptions(skip_bad=True)
TWO = {"label": ["A", "B"], "text": ["hot", "cold"]}


def row(question_id: str, answer: Any = "A", **more: Any) -> dict[str, Any]:
    return {
        "id": question_id,
        "question": f"question of {question_id}",
        "choices": TWO,
        "answer": answer,
        **more,
    }


def ids(questions: list[Question]) -> list[str]:
    return [question.id for question in questions]


def test_a_file_with_everything(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "science.jsonl",
        row("1", "B", facts=["f1", "f2"], fact_roles=["CENTRAL", "GROUNDING"], topic="not read"),
        {"_id": "2", "question": "q", "choices": ["x", "y", "z"], "answer": "z", "split": "dev"},
        row("3", 0, split="test"),
        row("4", None, facts=["f1"]),
    )
    data = read_questions(path)
    assert (data.name, data.format, data.skipped) == (str(path), "jsonl", 0)
    assert data.train == [
        Question(
            "1",
            "question of 1",
            ("hot", "cold"),
            1,
            labels=("A", "B"),
            facts=("f1", "f2"),
            roles=("CENTRAL", "GROUNDING"),
        ),
        Question("4", "question of 4", ("hot", "cold"), None, labels=("A", "B"), facts=("f1",)),
    ]
    assert data.validation == [Question("2", "q", ("x", "y", "z"), 2)]
    assert (ids(data.test), data.test[0].answer) == (["3"], 0)
    assert data.remarks == [
        "2 questions are train, for neither a file's name nor a field says another split",
        "1 questions have no answer: 4",
    ]


def test_files_of_a_folder_are_splits(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", row("1"))
    (tmp_path / "dev.jsonl.gz").write_bytes(gzip.compress(json.dumps(row("2")).encode()))
    json_lines(tmp_path / "easy" / "ARC-Easy-Test.jsonl", row("3"))
    json_lines(tmp_path / "all.jsonl", row("1"), row("2"))
    json_lines(tmp_path / "corpus.jsonl", {"_id": "f1", "text": "a fact"})
    data = read_questions(tmp_path)
    assert (ids(data.train), ids(data.validation), ids(data.test)) == (["1"], ["2"], ["3"])
    assert data.remarks == ["1 files are not read, for their names say no split: all.jsonl"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("questions.dev.tsv", "validation"),
        ("ARC-Challenge-Train.jsonl", "train"),
        ("phrases_no_exclude_test.jsonl.gz", "test"),
        ("train_complete.jsonl", "train"),
        ("val.json", "validation"),
        ("trainer.jsonl", None),
        ("train_dev.jsonl", None),
        ("questions.jsonl", None),
    ],
)
def test_the_split_is_a_word_of_the_name(name: str, split: str | None) -> None:
    assert split_in(name) == split


def test_a_single_file_with_a_split_in_its_name_is_not_train(tmp_path: Path) -> None:
    data = read_questions(json_lines(tmp_path / "dev.jsonl", row("1")))
    assert (data.train, ids(data.validation), data.remarks) == ([], ["1"], [])


def test_a_field_against_the_name_of_its_file(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "train.jsonl", row("1", split="train"), row("2", split="test"))
    with pytest.raises(InputError, match=r"train\.jsonl:2: says split 'test' and is in the file of train"):
        read_questions(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "C"}, r"answer 'C' is not an option, wanted one of 'A', 'B', 'hot', 'cold'"),
        ({"answer": 2}, r"answer 2 is not an option, wanted one of '0', '1'"),
        ({"answer": -1}, "answer -1 is not an option"),
        ({"answer": True}, '"answer" is True, wanted a label'),
        ({"answer": ["A"]}, "wanted a label, a text, or a place from 0"),
        ({"answer": ""}, "answer '' is not an option"),
        ({"choices": ["hot"], "answer": 0}, "1 options, wanted two or more"),
        ({"choices": [], "answer": None}, "0 options, wanted two or more"),
        ({"choices": {"label": ["A"], "text": ["hot"]}}, "1 options, wanted two or more"),
        ({"choices": ["hot", " "], "answer": 0}, "option 2 of 2 is empty"),
        ({"choices": ["hot", None]}, '"choices" is .*wanted a list of strings'),
        ({"choices": {"label": ["A", "B", "C"], "text": ["hot", "cold"]}}, "3 labels for 2 options"),
        ({"choices": {"label": [], "text": ["hot", "cold"]}, "answer": 0}, "0 labels for 2 options"),
        (
            {"choices": {"label": ["A", "A"], "text": ["hot", "cold"]}, "answer": 0},
            "label 'A' stands for two options",
        ),
        ({"question": " \t"}, "the question is empty"),
        ({"question": None}, '"question" is None, wanted a string'),
        ({"id": ""}, "id is empty"),
        ({"facts": ["f", "g"], "fact_roles": ["CENTRAL"]}, "1 roles for 2 facts"),
        ({"fact_roles": ["CENTRAL", "CENTRAL"]}, "2 roles for 0 facts"),
        ({"facts": ["f", "f"]}, "fact 'f' stands twice"),
        ({"facts": "f"}, '"facts" is .*wanted a list of strings'),
        ({"split": "holdout"}, '"split" is .*wanted one of'),
    ],
)
def test_bad_questions(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = json_lines(tmp_path / "train.jsonl", row("1"), row("2") | changes, row("3"))
    with pytest.raises(InputError, match=r"train\.jsonl:2: .*" + message):
        read_questions(path)
    data = read_questions(path, options=SKIP)
    assert (ids(data.train), data.skipped) == (["1", "3"], 1)
    assert data.remarks == ["1 bad rows are skipped"]


def test_options_by_their_labels(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "train.jsonl", row("1", choices={"A": "hot", "B": "cold"}, answer="B"))
    (question,) = read_questions(path).train
    assert (question.labels, question.choices, question.answer) == (("A", "B"), ("hot", "cold"), 1)
    bad = json_lines(tmp_path / "b.jsonl", row("1", choices={"A": "hot", "B": 3}))
    with pytest.raises(InputError, match='"B" is 3, wanted a string'):
        read_questions(bad)


def test_no_id_is_an_error_and_none_is_made_up(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "train.jsonl", {"question": "q", "choices": ["a", "b"]})
    with pytest.raises(InputError, match=r':1: there is no "id"'):
        read_questions(path)


def test_an_id_twice_also_in_two_files(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", row("1"), row("2"))
    json_lines(tmp_path / "test.jsonl", row("3"), row("2"))
    with pytest.raises(InputError, match=r"train\.jsonl:2: id '2' occurs again, .*test\.jsonl:2"):
        read_questions(tmp_path)  # files are read in the order of their names
    assert read_questions(tmp_path, options=SKIP).skipped == 1


def test_a_number_as_an_id(tmp_path: Path) -> None:
    assert ids(read_questions(json_lines(tmp_path / "train.jsonl", row("x", id=7))).train) == ["7"]


def test_bad_lines_are_counted_and_the_first_ten_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = json.dumps(row("1"))
    path = written(tmp_path / "train.jsonl", "{broken\n" * 12 + good + "\n\n[1]\n")
    data = read_questions(path, options=SKIP)
    assert (ids(data.train), data.skipped) == (["1"], 13)
    assert len(caplog.messages) == 11
    assert "train.jsonl:1: broken JSON" in caplog.messages[0]
    with pytest.raises(InputError, match=r"train\.jsonl:1: broken JSON"):
        read_questions(path)


def test_a_file_without_one_good_line_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:1: broken JSON"):
        read_questions(written(tmp_path / "a.jsonl", "no JSON\n"))
    with pytest.raises(InputError, match="holds no question; 1 bad rows are skipped"):
        read_questions(tmp_path / "a.jsonl", options=SKIP)


def test_a_line_over_the_limit(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "train.jsonl", row("1"), row("2", topic="long" * 99))
    with pytest.raises(InputError, match=r"train\.jsonl:2: longer than 200 bytes"):
        read_questions(path, options=ReadOptions(max_line=200))


def test_needed_answers(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "test.jsonl", row("1"), row("2", None))
    assert [question.answer for question in read_questions(path).test] == [0, None]
    with pytest.raises(
        InputError, match=r"test\.jsonl:2: question '2' has no answer, and answers are needed"
    ):
        read_questions(path, need_answers=True)
    data = read_questions(path, need_answers=True, options=SKIP)
    assert (ids(data.test), data.skipped) == (["1"], 1)


def test_an_answer_that_is_one_option_s_label_and_another_s_text_is_refused(tmp_path: Path) -> None:
    digits = {"label": ["1", "2", "3"], "text": ["1", "3", "4"]}
    path = json_lines(
        tmp_path / "train.jsonl", row("own text", "1", choices=digits), row("4", "4", choices=digits)
    )
    assert [question.answer for question in read_questions(path).train] == [0, 2]
    json_lines(path, row("1", "3", choices=digits))
    with pytest.raises(InputError, match=r"answer '3' names the options at 1 and 2 \(from 0\)"):
        read_questions(path)


def test_options_of_the_same_text_are_read_and_counted(tmp_path: Path) -> None:
    """MedMCQA has 713 such questions, in some of them the right one (github.com/medmcqa/medmcqa/issues/5)."""
    choices = ["Mode - Mean", "Mean - Mode", "SD", "Mean - Mode"]
    path = json_lines(
        tmp_path / "train.jsonl",
        row("1", 1, choices=choices),
        row("2", 2, choices=choices),
        row("3", "SD", choices=choices, question="other"),
    )
    data = read_questions(path)
    assert [question.answer for question in data.train] == [1, 2, 2]
    (remark,) = data.remarks
    assert "3 questions have two options of the same text: 1, 2, 3; in 1 of them the right one" in remark
    json_lines(path, row("1", "Mean - Mode", choices=choices))
    with pytest.raises(InputError, match="names the options at 1 and 3"):
        read_questions(path)


def test_questions_that_train_has_too_are_counted(tmp_path: Path) -> None:
    """WorldTree has one ("One example of matter is")."""
    swapped = {"label": ["A", "B"], "text": ["cold", "hot"]}
    json_lines(tmp_path / "train.jsonl", row("1", question="Ice is"), row("2", question="Fire is"))
    json_lines(
        tmp_path / "dev.jsonl",
        row("3", question="Ice is", choices=swapped),
        row("4", question="Fire is", choices=["warm", "cold"], answer=0),
    )
    (remark,) = read_questions(tmp_path).remarks
    assert "1 questions of validation or test occur in train" in remark
    assert remark.endswith(": 3")


def test_unknown_formats_list_the_known(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "squad.jsonl", {"context": "c", "question": "q", "answers": ["a"]})
    said = "questions, its first object has 'context', 'question', 'answers'. Readable are jsonl: JSON lines of id"
    with pytest.raises(InputError, match=said) as error:
        read_questions(path)
    assert all(name in str(error.value) for name in FORMATS)
    with pytest.raises(InputError, match="not recognised"):
        read_questions(written(tmp_path / "list.json", "[1, 2]\n"))
    with pytest.raises(InputError, match="not recognised"):
        read_questions(json_lines(tmp_path / "only" / "corpus.jsonl", {"_id": "f1", "text": "a"}).parent)
    with pytest.raises(InputError, match="there is no such file or folder"):
        read_questions(tmp_path / "nowhere")


def test_a_format_that_is_given(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "train.jsonl", row("1"))
    assert read_questions(path, format="jsonl").format == "jsonl"
    with pytest.raises(UsageError, match="format 'csv' does not exist; wanted one of medmcqa"):
        read_questions(path, format="csv")
    with pytest.raises(InputError, match=r'train\.jsonl:1: there is no "opa"'):
        read_questions(path, format="medmcqa")
    with pytest.raises(UsageError, match="format jsonl does not take first_answer"):
        read_questions(path, first_answer=1)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    str.strip
)


@st.composite
def questions(draw: st.DrawFn) -> list[Question]:
    made = []
    for question_id in draw(st.lists(texts, min_size=1, max_size=4, unique=True)):
        choices = draw(st.lists(texts, min_size=2, max_size=5))
        labels = draw(
            st.just([]) | st.lists(texts, min_size=len(choices), max_size=len(choices), unique=True)
        )
        facts = draw(st.lists(texts, max_size=3, unique=True))
        roles = draw(st.just([]) | st.just(["CENTRAL"] * len(facts)))
        answer = draw(st.none() | st.integers(0, len(choices) - 1))
        made.append(
            Question(
                question_id, draw(texts), tuple(choices), answer, tuple(labels), tuple(facts), tuple(roles)
            )
        )
    return made


@given(questions())
def test_what_is_written_is_read_back(asked: list[Question]) -> None:
    rows = [
        {
            "id": question.id,
            "question": question.text,
            "choices": {"label": question.labels, "text": question.choices}
            if question.labels
            else question.choices,
            "answer": question.answer,
            "facts": question.facts,
            "fact_roles": question.roles,
        }
        for question in asked
    ]
    with tempfile.TemporaryDirectory() as folder:
        assert read_questions(json_lines(Path(folder) / "train.jsonl", *rows)).train == asked
