"""Training, classifying and comparing presets on planted documents, by words and by a tiny encoder."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cli_calls import call
from planted import KEYS, planted
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index
from retrieve.cli.options import parsed_settings
from retrieve.errors import UsageError

ONE = ["--set", "tfidf.C=[3.0]", "--set", "tfidf.ngrams=[1]", "--set", 'tfidf.models=["svm"]']


def write_lines(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with labelled `data`, bare `texts.jsonl` of its test documents, and the model `m` of it."""
    place = tmp_path_factory.mktemp("classify")
    (place / "data").mkdir()
    for name, number, seed in (("train", 48, 1), ("validation", 24, 2), ("test", 24, 3)):
        cases = [case.document for case in planted(number, seed)]
        rows = [
            {"id": case.document.id, "text": case.document.text, "labels": list(case.labels or ())}
            for case in cases
        ]
        write_lines(place / "data" / f"{name}.jsonl", rows)
    write_lines(place / "texts.jsonl", [{"id": row["id"], "text": row["text"]} for row in rows])
    trained = call(
        *("train", "classifier", place / "data", "--out", place / "m", "--preset", "tfidf", *ONE),
        *("--task", "multilabel", "--report", place / "page.html", "--json"),
    )
    (place / "report.json").write_text(trained.stdout)
    return place


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(place))


def test_one_file_is_classified(place: Path) -> None:
    (place / "inbox").mkdir()
    (place / "inbox" / "a.txt").write_text(
        json.loads((place / "texts.jsonl").read_text().splitlines()[0])["text"]
    )
    for source, doc_id in (("inbox/a.txt", "a.txt"), ("inbox", "inbox/a.txt")):
        root = ["--root", place] if source == "inbox" else []
        row = json.loads(call("classify", place / "m", place / source, *root).stdout)
        assert row["id"] == doc_id
        assert row["labels"]


def test_the_training_says_what_it_did(place: Path) -> None:
    report = json.loads((place / "report.json").read_text())
    assert report["data"] | {"train": 48, "validation": 24, "test": 24, "labels": 3} == report["data"]
    assert report["test"]["figures"]["micro_f1"] == 1.0
    assert report["test"]["intervals"]["micro_f1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert report["preset"]["tfidf"]["C"] == [3.0]
    assert len(report["test"]["by_label"]) == 3
    assert sum(one["number"] for one in report["test"]["reliability"]["after"]) >= 24
    page = (place / "page.html").read_text()
    for said in (
        "On 24 test documents: micro-F1 1.000",
        "Reliability before and after",
        "fishing",
        "tfidf.C",
    ):
        assert said in page


def test_explanations_are_checked_on_test_documents(place: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    filler = "\n\n".join(" ".join([word] * 150) for word in ("stone", "water", "grass", "cloud"))
    for name, number in (("train", 40), ("validation", 20), ("test", 10)):
        rows = [
            {"id": f"{name}{place}", "text": f"{filler}\n\n{key} " + "road " * 150, "labels": [key]}
            for place, key in enumerate(["ship", "field"] * (number // 2))
        ]
        write_lines(tmp_path / "data" / f"{name}.jsonl", rows)
    trained = call(
        *("train", "classifier", tmp_path / "data", "--out", tmp_path / "m", "--preset", "tfidf", *ONE),
        *("--check-explanations", 6, "--report", tmp_path / "page.html", "--json"),
    )
    one, three = json.loads(trained.stdout)["test"]["faithfulness"]
    assert (one["by"], one["passages"], three["passages"], one["documents"]) == ("effect", 1, 3, 6)
    assert one["ranked"] > one["random"]
    assert "Explanations checked" in (tmp_path / "page.html").read_text()


def test_a_taken_place_is_refused_before_the_data_are_read(place: Path) -> None:
    before = (place / "m" / "model.json").read_bytes()
    refused = call("train", "classifier", place / "nowhere", "--out", place / "m", status=2)
    assert "is there already" in refused.stderr
    assert (place / "m" / "model.json").read_bytes() == before
    assert "nowhere" in call("train", "classifier", place / "nowhere", "--out", place / "n", status=1).stderr
    assert not (place / "n").exists()
    wrong = call(
        *("train", "classifier", place / "data", "--out", place / "n", "--preset", "tfidf"),
        *("--set", "tfidf.c=1"),
        status=1,
    )
    assert "unknown key 'tfidf.c'" in wrong.stderr


def test_json_lines(place: Path) -> None:
    lines = [
        json.loads(line) for line in call("classify", place / "m", place / "texts.jsonl").stdout.splitlines()
    ]
    assert [line["id"] for line in lines] == [case.document.document.id for case in planted(24, 3)]
    assert [tuple(line["labels"]) for line in lines] == [case.document.labels for case in planted(24, 3)]
    assert set(lines[0]["probabilities"]) == {"fishing", "customs", "energy"}
    assert lines[0]["undecided"] == []
    (one,) = call(
        "classify", place / "m", "-", "--top", 1, stdin='{"id": "x", "text": "y"}\n'
    ).stdout.splitlines()
    assert len(json.loads(one)["probabilities"]) == 1


def test_csv(place: Path) -> None:
    rows = list(csv.reader(io.StringIO(call("classify", place / "m", place / "texts.jsonl", "--csv").stdout)))
    assert rows[0] == ["id", "labels", "undecided", "no_text", "p customs", "p energy", "p fishing"]
    assert len(rows) == 25
    assert rows[1][:3] == ["3-0", "fishing", ""]
    assert float(rows[1][6]) > 0.5 > float(rows[1][5])
    first = call("classify", place / "m", place / "texts.jsonl", "--csv", "--top", 2).stdout.splitlines()
    assert first[0] == "id,labels,undecided,no_text,label 1,p 1,label 2,p 2"
    assert first[1].startswith("3-0,fishing,,,fishing,0.")


def test_a_document_without_text_has_no_label(place: Path, tmp_path: Path) -> None:
    """The labels of nothing are the most frequent ones, and looked like any other's."""
    rows = [{"id": "none", "text": " "}, {"id": "scan", "text": "", "metadata": {"no_text": "scanned"}}]
    source = write_lines(tmp_path / "mixed.jsonl", [*rows, {"id": "one", "text": KEYS["energy"]}])
    answer = call("classify", place / "m", source, "--explain", "--page", tmp_path / "why.html")
    none, scan, one = map(json.loads, answer.stdout.splitlines())
    assert (none["labels"], none["probabilities"], none["no_text"]) == ([], {}, "empty")
    assert scan["no_text"] == "scanned"
    assert one["labels"] == ["energy"] and "no_text" not in one
    assert "no label for 2 documents without text: none (empty), scan (scanned)" in answer.stderr
    titled = write_lines(tmp_path / "titled.jsonl", [{"id": "t", "title": KEYS["energy"], "text": ""}])
    answer = call("classify", place / "m", titled)
    assert "no_text" not in json.loads(answer.stdout) and "no label" not in answer.stderr
    assert "1 more" not in (tmp_path / "why.html").read_text()
    assert "3 documents, 2 of them without text, by" in (tmp_path / "why.html").read_text()
    table = list(csv.reader(io.StringIO(call("classify", place / "m", source, "--csv").stdout)))
    assert table[2] == ["scan", "", "", "scanned", "", "", ""]
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add([Document("none", ""), Document("one", KEYS["energy"])])
    assert (
        "no label for 1 document without text"
        in call("classify", place / "m", "--index", tmp_path / "i").stderr
    )
    with Index.open(tmp_path / "i") as index:
        assert index.get("none").metadata == {"labels": []}  # type: ignore[union-attr]


def test_explanations_in_lines_and_on_a_page(place: Path, tmp_path: Path) -> None:
    text = f"<b>{KEYS['energy']}</b>"
    source = write_lines(tmp_path / "one.jsonl", [{"id": "<i>1</i>", "text": text}])
    page = tmp_path / "why.html"
    line = json.loads(call("classify", place / "m", source, "--explain", "--page", page).stdout)
    (why,) = line["explanations"]
    assert (why["label"], why["predicted"]) == ("energy", True)
    assert why["passages"][0]["text"] == text
    assert why["passages"][0]["effect"] > 0
    html = page.read_text()
    assert "&lt;i&gt;1&lt;/i&gt;" in html
    assert "&lt;b&gt;The reactor" in html
    assert "<b>" not in html
    bare = json.loads(call("classify", place / "m", source, "--page", page).stdout)
    assert "explanations" not in bare


def test_an_index_gets_labels_without_being_encoded_again(place: Path, tmp_path: Path) -> None:
    model = tiny_encoder_folder(tmp_path / "tiny")
    documents = [
        Document(case.document.document.id, case.document.document.text, "", {"n": number})
        for number, case in enumerate(planted(24, 3))
    ]
    with Index.create(
        tmp_path / "i", "hybrid", [f"dense.model={model}", "passages.size=20", "passages.overlap=4"]
    ) as index:
        with index.writer() as writer:
            writer.add(documents)
        before = index.search("reactor", 5, using="dense")
        answer = json.loads(call("classify", place / "m", "--index", tmp_path / "i", "--json").stdout)
        assert {"documents": 24, "encoded": 0, "field": "labels"}.items() <= answer.items()
        index.refresh()
        assert index.generation == answer["generation"] == 2
        assert set(index.ids({"labels": "energy"})) == {f"3-{number}" for number in range(2, 24, 3)}
        assert index.get("3-2").metadata == {"n": 2, "labels": ["energy"]}  # type: ignore[union-attr]
        after = index.search("reactor", 5, using="dense")
        assert [(hit.doc_id, hit.score) for hit in after] == [(hit.doc_id, hit.score) for hit in before]
        found = index.search("reactor", 24, using="bm25", where={"labels": "energy"})
        assert len(found) == 8
    again = call("classify", place / "m", "--index", tmp_path / "i", status=2)
    assert "has a field 'labels' already" in again.stderr
    with Index.open(tmp_path / "i") as index:
        assert index.generation == 2
    assert (
        "labelled in field 'labels'"
        in call("classify", place / "m", "--index", tmp_path / "i", "--force").stdout
    )


def test_information(place: Path) -> None:
    said = json.loads(call("classify", place / "m", "--info", "--json").stdout)
    assert said["labels"] == ["customs", "energy", "fishing"]
    assert len(said["thresholds"]["values"]) == 3
    assert said["calibration"]["kind"] == "sigmoid"
    assert said["passages"]["cut"] == "tokens"
    assert len(said["data"]) == 64
    assert "torch" in said["versions"]
    table = call("classify", place / "m", "--info").stdout
    assert "label\tthreshold (shrunk)" in table
    assert said["data"] in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the three"),
        (["a", "--info"], "one of the three"),
        (["--info", "--csv"], "go with DOCUMENTS"),
        (["a", "--csv", "--explain"], "one row a document"),
        (["a", "--csv", "--json-lines"], "take one of them"),
        (["a", "--json"], "--json-lines"),
    ],
)
def test_wrong_usage(place: Path, arguments: list[str], message: str) -> None:
    assert message in call("classify", place / "m", *arguments, status=2).stderr


def test_a_table_has_no_header_where_documents_cannot_be_read(place: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nr,body\n1,a\n")
    refused = call("classify", place / "m", tmp_path / "a.csv", "--csv", status=1)
    assert (refused.stdout, "no column 'id'" in refused.stderr) == ("", True)


def test_a_line_that_is_too_long_is_refused(place: Path) -> None:
    refused = call("classify", place / "m", place / "texts.jsonl", "--max-line", 100, status=1)
    assert "100" in refused.stderr
    assert "no classifier's folder" in call("classify", place, place / "texts.jsonl", status=2).stderr


def test_two_presets_compared(place: Path, tmp_path: Path) -> None:
    model = tiny_encoder_folder(tmp_path / "tiny", limit=64)
    arguments = [f"encoder.model={model}", "passages.size=60", "training.epochs=2", *ONE[1::2]]
    settings = [part for argument in arguments for part in ("--set", argument)]
    compared = json.loads(
        call("bench", place / "data", "--presets", "tfidf,mean", *settings, "--json").stdout
    )
    assert [one["preset"] for one in compared["presets"]] == ["tfidf", "mean"]
    (first, *_) = compared["tests"]
    assert first["p_holm"] >= first["p"] > 0
    figures = [one["figures"][first["measure"]] for one in compared["presets"]]
    assert first["difference"] == pytest.approx(figures[0] - figures[1])
    assert first["low"] <= first["difference"] <= first["high"]
    wrong = call("bench", place / "data", "--presets", "tfidf,mean", "-k", 5, status=2)
    assert "leave out the option of search 'k'" in wrong.stderr
    assert "two or more" in call("bench", place / "data", "--presets", "tfidf", status=2).stderr


def test_settings_are_typed() -> None:
    found = parsed_settings(["a.b=3", "c=[1.0, 2]", "d=true", "e=some text", "f=x=y"])
    assert found == {"a.b": 3, "c": [1.0, 2], "d": True, "e": "some text", "f": "x=y"}
    named = ['columns={"text": "a body", "id": "nr"}', 'columns={text = "a body", id = "nr"}']
    for way in named:  # JSON as in --where, and TOML as in a preset
        assert parsed_settings([way]) == {"columns": {"text": "a body", "id": "nr"}}
    with pytest.raises(UsageError, match="wanted key=value"):
        parsed_settings(["nothing"])


def test_values_have_their_own_figures_and_lines(place: Path, tmp_path: Path) -> None:
    values = {"fishing": 1.0, "customs": 2.0, "energy": 4.0}
    rows = [
        {"id": case.document.document.id, "text": case.document.document.text, "value": values[label]}
        for case in planted(60, 4)
        for label in case.document.labels or ()
    ]
    for name, part in (("train", rows[:42]), ("test", rows[42:])):
        write_lines(tmp_path / f"{name}.jsonl", part)
    asked = ["train", "classifier", tmp_path, "--out", tmp_path / "m", "--preset", "tfidf", *ONE]
    report = json.loads(
        call(*asked, "--task", "ordinal", "--report", tmp_path / "page.html", "--json").stdout
    )
    assert report["test"]["figures"]["spearman"] > 0.9
    assert len(report["test"]["values"]) == 18
    assert "Spearman" in (tmp_path / "page.html").read_text()
    line = json.loads(
        call("classify", tmp_path / "m", "-", stdin=json.dumps(rows[2]) + "\n").stdout.splitlines()[0]
    )
    assert line["id"] == "4-2"
    assert line["value"] > 3
    source = write_lines(tmp_path / "new.jsonl", [rows[2], {"id": "none", "text": ""}])
    table = list(csv.reader(io.StringIO(call("classify", tmp_path / "m", source, "--csv").stdout)))
    assert table[0] == ["id", "value", "no_text"]
    assert float(table[1][1]) == line["value"]
    assert table[2] == ["none", "", "empty"]
    assert "values, not labels" in call("classify", tmp_path / "m", "-", "--explain", status=2).stderr
    assert json.loads(call("classify", tmp_path / "m", "--info", "--json").stdout)["estimator"] == "Regressor"
