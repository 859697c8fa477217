"""JSON lines of an analyst, and what every labelled collection goes through: ids, splits, label sets, duplicates."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_files import json_lines, written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.open import read_labelled
from retrieve.errors import InputError, UsageError

SKIP = ReadOptions(skip_bad=True)


def row(doc_id: str, labels: Any, text: str = "", **more: Any) -> dict[str, Any]:
    return {"id": doc_id, "text": text or f"text of {doc_id}", "labels": labels, **more}


def ids(documents: list[Any]) -> list[str]:
    return [labelled.document.id for labelled in documents]


def test_a_file_with_everything(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "acts.jsonl",
        row(
            "1", ["b", "a"], "One. Two.", title="First", paragraphs=["One.", "Two."], split="train", year=1999
        ),
        {"_id": "2", "paragraphs": ["x", "", "yz"], "labels": "a", "split": "dev", "metadata": {"k": [1]}},
        row("3", [], split="test"),
        row("4", None),
    )
    data = read_labelled(path)
    assert (data.task, data.labels.names, data.name) == ("multilabel", ("a", "b"), str(path))
    first, second = data.train[0], data.validation[0]
    assert (first.labels, first.document.title, first.document.metadata) == (
        ("b", "a"),
        "First",
        {"year": 1999},
    )
    assert first.paragraphs == ((0, 4), (5, 9))
    assert (second.document.text, second.paragraphs) == ("x\n\nyz", ((0, 1), (3, 5)))
    assert second.document.metadata == {"k": [1]}
    assert (ids(data.test), data.test[0].labels) == (["3"], ())
    assert ids(data.unlabelled) == ["4"]
    assert data.remarks == ["1 documents are not labelled: 4"]


def test_files_of_a_folder_are_splits(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", row("1", ["a"]), row("2", ["b", "c"]))
    json_lines(tmp_path / "notes.jsonl", row("9", ["z"]))
    (tmp_path / "dev.jsonl.gz").write_bytes(gzip.compress(json.dumps(row("3", ["a"])).encode()))
    json_lines(tmp_path / "test.jsonl", row("4", ["new"], "text of 1"))
    data = read_labelled(tmp_path)
    assert (ids(data.train), ids(data.validation), ids(data.test)) == (["1", "2"], ["3"], ["4"])
    assert data.labels.names == ("a", "b", "c", "new")
    assert data.duplicates == {"4": "1"}
    assert any("notes.jsonl" in remark for remark in data.remarks)
    assert any("word for word" in remark for remark in data.remarks)


def test_two_files_of_one_split(tmp_path: Path) -> None:
    json_lines(tmp_path / "val.jsonl", row("1", ["a"]))
    json_lines(tmp_path / "dev.jsonl", row("2", ["a"]))
    with pytest.raises(InputError, match="both validation"):
        read_labelled(tmp_path)


def test_blank_texts_are_no_duplicates(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", row("1", ["a", "b"], " "), row("2", ["a"], " ", split="test"))
    assert read_labelled(path).duplicates == {}


def test_the_first_of_equal_training_texts_is_named(tmp_path: Path) -> None:
    rows = [row(str(at), ["a", "b"], "same", split="train" if at < 3 else "test") for at in range(5)]
    assert read_labelled(json_lines(tmp_path / "a.jsonl", *rows)).duplicates == {"3": "0", "4": "0"}


def test_a_title_that_begins_the_text_is_not_read_twice(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", row("1", ["a", "b"], "Head\n\nbody", title="Head"))
    document = read_labelled(path).train[0].document
    assert (document.title, document.metadata) == ("", {"title": "Head"})


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["a", "b", "c"], "multiclass"),
        (["a", "b", "a"], "binary"),
        ([["a"], ["b"], ["c"]], "multilabel"),
        ([["a"], ["b"], []], "multilabel"),
        ([["a", "b"], ["b"], ["a"]], "multilabel"),
    ],
)
def test_the_labels_tell_the_task_and_a_remark_says_so(tmp_path: Path, labels: list[Any], task: str) -> None:
    path = json_lines(tmp_path / "a.jsonl", *(row(str(at), label) for at, label in enumerate(labels)))
    data = read_labelled(path)
    assert data.task == task
    assert any(f"read as {task}" in remark for remark in data.remarks) is (task != "multilabel")
    assert read_labelled(path, task="multilabel").task == "multilabel"


def test_documents_without_text_and_labels_that_look_alike_are_named(tmp_path: Path) -> None:
    rows = [
        row("1", "Civil"),
        row("2", "civil"),
        row("3", "tax", " "),
        {**row("4", "tax", " "), "title": "T"},
    ]
    remarks = read_labelled(json_lines(tmp_path / "a.jsonl", *rows)).remarks
    assert "1 labelled documents have no text: 3" in remarks
    assert "labels that differ by case or spaces alone: 'Civil' and 'civil'" in remarks


def test_whole_numbers_are_labels(tmp_path: Path) -> None:
    data = read_labelled(json_lines(tmp_path / "a.jsonl", row("1", 0), row("2", 1), row("3", 0)))
    assert (data.task, [each.labels for each in data.train]) == ("binary", [("0",), ("1",), ("0",)])
    data = read_labelled(json_lines(tmp_path / "b.jsonl", row("1", [0, 2]), row("2", [])))
    assert (data.task, data.train[0].labels) == ("multilabel", ("0", "2"))


def test_fields_by_another_name(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", *({"nr": at, "body": "x", "area": "ab"[at]} for at in range(2)))
    data = read_labelled(path, columns={"id": "nr", "text": "body", "labels": "area"})
    assert [(each.document.id, each.labels) for each in data.train] == [("0", ("a",)), ("1", ("b",))]
    with pytest.raises(InputError, match=r"no \"id\"; fields: 'nr', 'body', 'area': name those"):
        read_labelled(path)
    with pytest.raises(UsageError, match=r"columns \['body'\] do not exist"):
        read_labelled(path, columns={"body": "text"})


def test_an_ordinal_task_without_values_says_what_is_missing(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", row("1", 1), row("2", 2))
    with pytest.raises(InputError, match="none of them has a value"):
        read_labelled(path, task="ordinal")


def test_values(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "a.jsonl",
        {"id": "1", "text": "x", "value": 3},
        {"id": "2", "text": "y", "value": "1.5"},
        {"id": "3", "text": "z"},
    )
    data = read_labelled(path)
    assert (data.task, data.labels.names) == ("ordinal", ("value",))
    assert [labelled.value for labelled in data.train] == [3.0, 1.5]
    assert ids(data.unlabelled) == ["3"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"id": "2", "text": "x", "labels": ["a", "a"]}', "'a' stands twice"),
        ('{"id": "2", "text": "x", "labels": [" "]}', "blank"),
        ('{"id": "2", "text": "x", "labels": [1.5]}', "list of strings"),
        ('{"id": "2", "text": "x", "labels": true}', "a string or a list of strings"),
        ('{"id": "2", "labels": ["a"]}', 'no "text"'),
        ('{"id": "2", "text": "x", "labels": ["a"], "label": "b"}', "keep one"),
        ('{"id": "2", "text": "x", "labels": ["a"], "split": "gold"}', "wanted one of train"),
        ('{"id": "2", "text": "x", "labels": ["a"], "value": "high"}', "finite number"),
        ('{"id": "2", "text": "x", "labels": ["a"], "paragraphs": ["q"]}', "paragraph 1 of 1"),
        ('{"id": "2", "text": "x", "labels": ["a"], "metadata": 3}', "not an object"),
        ('{"id": "1", "text": "x", "labels": ["a"]}', "already at"),
        ("{broken", "broken JSON"),
    ],
)
def test_a_bad_row_is_named_by_its_line_or_skipped(tmp_path: Path, bad: str, says: str) -> None:
    good = json.dumps(row("1", ["a", "b"]))
    path = written(tmp_path / "a.jsonl", f"{good}\n\n{bad}\n{json.dumps(row('3', ['a']))}\n")
    with pytest.raises(InputError, match=says) as caught:
        read_labelled(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    data = read_labelled(path, options=SKIP)
    assert (ids(data.train), data.skipped) == (["1", "3"], 1)
    assert "1 bad rows are skipped" in data.remarks


def test_an_id_twice_names_both_lines_also_across_files(tmp_path: Path) -> None:
    json_lines(tmp_path / "test.jsonl", row("1", ["a", "b"]))
    json_lines(tmp_path / "train.jsonl", row("0", ["a"]), row("1", ["a"]))
    with pytest.raises(InputError, match=r"train\.jsonl:2: id '1' occurs again.*test\.jsonl:1;"):
        read_labelled(tmp_path)


def test_a_split_that_contradicts_its_file(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "test.jsonl", row("1", ["a"], split="train"))
    with pytest.raises(InputError, match="in the file of test"):
        read_labelled(path)


def test_label_sets(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", row("1", ["a", "b"]), row("2", ["b", "c"]), row("3", ["c"]))
    with pytest.raises(InputError, match=r"document '2' has label 'c'.*unknown_labels"):
        read_labelled(path, labels=["b", "a", "never"])
    data = read_labelled(path, labels=["b", "a", "never"], unknown_labels="drop")
    assert data.labels.names == ("a", "b", "never")
    assert [labelled.labels for labelled in data.train] == [("a", "b"), ("b",), ()]
    assert any(remark.startswith("2 labels outside") for remark in data.remarks)
    with pytest.raises(UsageError, match="twice"):
        read_labelled(path, labels=["a", "a"])


def test_the_file_of_labels_beside_them(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", row("1", ["a", "b"]))
    written(tmp_path / "labels.json", '{"a": "the first", "b": null, "c": "never seen"}')
    data = read_labelled(path, descriptions={"b": "the second", "z": "of no label"})
    assert data.labels.names == ("a", "b", "c")
    assert data.labels.descriptions == {"a": "the first", "b": "the second", "c": "never seen"}
    assert "descriptions of no label are not used: z" in data.remarks
    written(tmp_path / "labels.json", '["a", "a"]')
    with pytest.raises(InputError, match="each once"):
        read_labelled(path)
    written(tmp_path / "labels.json", '["a"]')
    with pytest.raises(InputError, match="label 'b'"):
        read_labelled(path)


def test_named_label_sets_of_eu_acts(tmp_path: Path) -> None:
    acts = [
        {"id": "1", "title": "T", "text": "T x", "labels": ["fish", "boats"], "subjects": ["Fishery"]},
        {"id": "2", "title": "T", "text": "T y", "labels": ["cows"], "subjects": ["Farming", "Fishery"]},
    ]
    json_lines(tmp_path / "train.jsonl", *acts)
    written(tmp_path / "label_sets.json", '{"subjects_min2": ["Fishery"], "eurovoc_min2": ["cows"]}')
    assert read_labelled(tmp_path).labels.names == ("boats", "cows", "fish")
    assert read_labelled(tmp_path, field="subjects").labels.names == ("Farming", "Fishery")
    data = read_labelled(tmp_path, label_set="subjects_min2")
    assert [labelled.labels for labelled in data.train] == [("Fishery",), ("Fishery",)]
    data = read_labelled(tmp_path, label_set="eurovoc_min2")
    assert [labelled.labels for labelled in data.train] == [(), ("cows",)]
    assert data.train[0].document.title == ""
    with pytest.raises(UsageError, match="there are: subjects_min2, eurovoc_min2"):
        read_labelled(tmp_path, label_set="subjects_min3")
    with pytest.raises(UsageError, match="labels or subjects"):
        read_labelled(tmp_path, field="tags")


def test_what_cannot_be_read_lists_what_can(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_labelled(tmp_path / "none")
    written(tmp_path / "a" / "x.doc", "word")
    with pytest.raises(InputError, match=r"Readable are mimic: .*; jsonl: .*; table: "):
        read_labelled(tmp_path / "a")
    path = json_lines(tmp_path / "a.jsonl", row("1", None))
    with pytest.raises(InputError, match="none of them has a label"):
        read_labelled(path)
    with pytest.raises(UsageError, match="'colour': it takes columns"):
        read_labelled(path, colour="red")
    with pytest.raises(UsageError, match="does not exist; wanted one of mimic"):
        read_labelled(path, format="word")


def test_tasks_that_the_documents_do_not_fit(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "a.jsonl", row("1", ["a", "b"]), row("2", ["c"]))
    with pytest.raises(InputError, match="document '1' has 2 labels"):
        read_labelled(path, task="multiclass")
    with pytest.raises(UsageError, match="3 labels"):
        read_labelled(path, task="binary")
    with pytest.raises(InputError, match="none of them has a value: name those"):
        read_labelled(path, task="ordinal")


names = st.text(
    st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=8
)


@given(
    st.dictionaries(
        names,
        st.tuples(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
            st.lists(names.filter(str.strip), unique=True, max_size=3),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_json_holds_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    json_lines(
        path, *({"id": doc_id, "text": text, "labels": labels} for doc_id, (text, labels) in rows.items())
    )
    data = read_labelled(path, task="multilabel")
    found = {d.document.id: (d.document.text, list(d.labels or ())) for d in data.train}
    assert found == rows


def test_a_bad_first_line_is_named_and_can_be_skipped(tmp_path: Path) -> None:
    good = '{"id": "1", "text": "t", "labels": ["a"]}\n'
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": "0", "value": NaN}\n' + good)
    with pytest.raises(InputError, match=r"d\.jsonl:1"):
        read_labelled(path)
    assert read_labelled(path, options=ReadOptions(skip_bad=True)).skipped == 1
    path.write_text('{"id": "0", "value": NaN}\n')
    with pytest.raises(InputError, match=r"d\.jsonl:1"):
        read_labelled(path)
    path.write_text("")
    with pytest.raises(InputError, match="0 documents and none of them has a label"):
        read_labelled(path)


def test_a_label_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": "1", "text": "t", "labels": ["\\ud800"]}\n')
    with pytest.raises(InputError, match=r"d\.jsonl:1: label '\\ud800' has half a surrogate pair"):
        read_labelled(path)
