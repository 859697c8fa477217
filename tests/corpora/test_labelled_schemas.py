"""Published schemas on rows of our own: what each field becomes, and the variants that the samples do not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from labelled_files import json_lines, written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.open import read_labelled
from retrieve.errors import InputError, UsageError

ACT = {
    "celex_id": "31975R2481",
    "uri": "http://a",
    "document_type": "Regulation",
    "title": "Regulation 2481/75",
    "header": "REGULATION",
    "recitals": "",
    "main_body": ["Article one.", "Article two."],
    "attachments": "Done at Brussels",
    "eurovoc_concepts": ["2319", "2713"],
}
CASE = {
    "case_id": "001-1",
    "title": "CASE OF A v. B",
    "facts": ["5. First.", "", "6. Second."],
    "violated_articles": ["6"],
    "allegedly_violated_articles": ["6", "P1-1"],
}


def test_zones_and_articles_of_an_act(tmp_path: Path) -> None:
    labelled = read_labelled(json_lines(tmp_path / "dev.jsonl", ACT)).validation[0]
    text = labelled.document.text
    assert text == "REGULATION\nArticle one.\nArticle two.\nDone at Brussels"
    assert {zone: text[start:end] for zone, (start, end) in labelled.zones.items()} == {
        "header": "REGULATION",
        "main_body": "Article one.\nArticle two.",
        "attachments": "Done at Brussels",
    }
    assert [text[start:end] for start, end in labelled.paragraphs] == text.split("\n")
    assert labelled.labels == ("2319", "2713")


def test_laws_in_a_language(tmp_path: Path) -> None:
    concepts = {"level_1": ["100"], "level_2": ["10"], "level_3": ["1"], "all_levels": ["1", "2"]}
    laws = [
        {
            "celex_id": "1",
            "publication_date": "2006-03-06",
            "text": {"en": "law", "bg": None},
            "eurovoc_concepts": concepts,
        },
        {
            "celex_id": "2",
            "publication_date": "2006-03-06",
            "text": {"en": "other", "bg": "закон"},
            "eurovoc_concepts": concepts,
        },
    ]
    path = json_lines(tmp_path / "laws.jsonl", *laws)
    assert [d.labels for d in read_labelled(path).train] == [("100",), ("100",)]
    data = read_labelled(path, language="bg", level="all_levels")
    assert [(d.document.text, d.labels) for d in data.train] == [("закон", ("1", "2"))]
    assert "1 rows are left out: no text in 'bg'" in data.remarks
    with pytest.raises(InputError, match="no language 'xx'"):
        read_labelled(path, language="xx")
    with pytest.raises(UsageError, match="level_1, level_2"):
        read_labelled(path, level="1")


def test_targets_of_a_case(tmp_path: Path) -> None:
    other = {**CASE, "case_id": "001-2", "violated_articles": [], "facts": ["7. Third."]}
    path = json_lines(tmp_path / "train.jsonl", CASE, other)
    data = read_labelled(path)
    first = data.train[0]
    assert first.document.text == "5. First.\n\n6. Second."
    assert [first.document.text[start:end] for start, end in first.paragraphs] == ["5. First.", "6. Second."]
    assert [d.labels for d in data.train] == [("6",), ()]
    assert first.document.title == ""
    alleged = read_labelled(path, target="allegedly_violated_articles")
    assert alleged.labels.names == ("6", "P1-1")
    binary = read_labelled(path, target="violation")
    assert (binary.task, [d.labels for d in binary.train]) == ("binary", [("violation",), ("no violation",)])
    with pytest.raises(InputError, match='no "importance"'):
        read_labelled(path, target="importance")
    with pytest.raises(UsageError, match="wanted one of violated_articles"):
        read_labelled(path, target="articles")


def test_importance_of_a_case(tmp_path: Path) -> None:
    rows = [{**CASE, "case_id": str(at), "importance": level} for at, level in enumerate((1, "4", None))]
    data = read_labelled(json_lines(tmp_path / "train.jsonl", *rows), target="importance")
    assert (data.task, data.labels.names, [d.value for d in data.train]) == (
        "ordinal",
        ("importance",),
        [1.0, 4.0],
    )
    assert [d.document.id for d in data.unlabelled] == ["2"]


def judgment(at: int, language: str = "de", **more: Any) -> dict[str, Any]:
    about = {"year": 2000, "language": language, "region": "n/a", "canton": "zh", "legal area": "penal law"}
    return {"id": at, **about, "label": "dismissal", "text": f"Urteil {at}", **more}


def test_judgments_and_their_translations(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", judgment(2), judgment(3, "fr", label="approval"))
    json_lines(tmp_path / "val.jsonl", judgment(4))
    json_lines(tmp_path / "train_mt.jsonl", judgment(2, source_language="fr", text="übersetzt"))
    data = read_labelled(tmp_path)
    assert ([d.document.id for d in data.train], len(data.validation)) == (["2", "3"], 1)
    assert any("train_mt.jsonl" in remark for remark in data.remarks)
    data = read_labelled(tmp_path, translated=True, language="de")
    assert [d.document.id for d in data.train] == ["2", "mt-fr-de-2"]
    assert data.labels.names == ("approval", "dismissal")
    assert "1 rows are left out: another language than 'de'" in data.remarks
    alone = read_labelled(tmp_path / "train_mt.jsonl")
    assert [d.document.id for d in alone.train] == ["mt-fr-de-2"]


def test_lexglue_splits_are_a_field(tmp_path: Path) -> None:
    rows = [
        {"company": "T", "release_year": "-", "labels": labels, "text": f"clause {at}", "data_type": split}
        for at, (labels, split) in enumerate([([], "train"), (["Jurisdiction"], "val"), (["Other"], "test")])
    ]
    data = read_labelled(json_lines(tmp_path / "unfair_tos.jsonl", *rows))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1, 1, 1]
    assert (data.task, data.validation[0].document.id) == ("multilabel", "2")
    rows = [
        {"case_id": "1", "issueArea": 8, "issue": "80250", "text": "a", "data_type": "dev"},
        {"case_id": "2", "issueArea": "1", "issue": "1", "text": "b", "data_type": "train"},
    ]
    data = read_labelled(json_lines(tmp_path / "scotus" / "scotus.jsonl", *rows))
    assert (data.task, data.labels.names, len(data.validation)) == ("multiclass", ("1", "8"), 1)


def test_choices_become_documents(tmp_path: Path) -> None:
    heading = ",".join(map(str, range(13)))
    rows = [
        f'{number},"as held, see (<HOLDING>)",h0,"h1, or so",h2,h3,h4,.1,0,.2,.3,.4,1'
        for number in (0, 44_999, 45_000, 48_899, 48_900, 53_000)
    ]
    path = written(tmp_path / "casehold.csv", "\n".join([heading, *rows]) + "\n")
    data = read_labelled(path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [10, 10, 10]
    assert [d.labels for d in data.train[:3]] == [("other holding",), ("the holding",), ("other holding",)]
    assert data.train[1].document.text == "as held, see (h1, or so)"
    assert data.train[1].document.metadata == {"question": "0", "option": 1}
    assert any("multiple choice" in remark for remark in data.remarks)
    written(path, f"{heading}\n0,no place,a,b,c,d,e,0,0,0,0,0,1\n")
    with pytest.raises(InputError, match=r"casehold\.csv:2: the context has no <HOLDING>"):
        read_labelled(path)
    written(path, f"{heading}\n0,<HOLDING>,a,b,c,d,e,0,0,0,0,0,7\n")
    with pytest.raises(InputError, match="0 to 4"):
        read_labelled(path)


def test_questions_with_their_passages(tmp_path: Path) -> None:
    json_lines(
        tmp_path / "corpus.jsonl", *({"_id": f"9-{at}", "title": "", "text": f"p{at}"} for at in range(3))
    )
    question = {
        "id": "9",
        "question": "Is it?",
        "answer": "yes",
        "gold_passages": ["9-2", "9-0"],
        "split": "cv",
    }
    path = tmp_path / "questions.jsonl"
    json_lines(path, question, {**question, "id": "8", "answer": "no", "split": "test"})
    data = read_labelled(tmp_path)
    first = data.train[0]
    assert (data.task, data.labels.names) == ("multiclass", ("maybe", "no", "yes"))
    assert (first.document.text, first.paragraphs) == ("Is it?\n\np2\n\np0", ((0, 6), (8, 10), (12, 14)))
    assert data.duplicates == {"8": "9"}
    json_lines(path, {**question, "gold_passages": ["9-7"]})
    with pytest.raises(InputError, match=r"passage '9-7' is not in corpus\.jsonl"):
        read_labelled(tmp_path)


def story(number: int, split: str, topics: list[str], inside: str, **more: str) -> str:
    attributes = {
        "TOPICS": "YES",
        "LEWISSPLIT": split,
        "CGISPLIT": "X",
        "OLDID": "1",
        "NEWID": str(number),
        **more,
    }
    said = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    marks = "".join(f"<D>{topic}</D>" for topic in topics)
    about = f"<DATE>26-FEB-1987</DATE>\n<TOPICS>{marks}</TOPICS>\n<PLACES><D>usa</D></PLACES>"
    return f"<REUTERS {said}>\n{about}\n{inside}\n</REUTERS>\n"


BODY = (
    "<TEXT>&#2;\n<TITLE>A &lt;B&gt; & C\xe9</TITLE>\n<DATELINE>    NEW YORK, Feb 26 - </DATELINE>"
    "<BODY>Shares rose.\n    More.\n Reuter\n&#3;</BODY></TEXT>"
)


def test_reuters_as_it_was_released(tmp_path: Path) -> None:
    stories = [
        story(1, "TRAIN", ["acq", "rare"], BODY),
        story(2, "TEST", ["acq"], '<TEXT TYPE="UNPROC">&#2;\nall there is\n&#3;</TEXT>'),
        story(3, "TRAIN", ["rare"], BODY),
        story(4, "NOT-USED", ["acq"], BODY),
        story(5, "TRAIN", ["acq"], BODY, TOPICS="BYPASS"),
    ]
    path = tmp_path / "reut2-000.sgm"
    path.write_bytes(('<!DOCTYPE lewis SYSTEM "lewis.dtd">\n' + "".join(stories)).encode("latin-1"))
    data = read_labelled(tmp_path)
    assert data.labels.names == ("acq",)
    assert [(d.document.id, d.labels) for d in (*data.train, *data.test)] == [
        ("1", ("acq",)),
        ("2", ("acq",)),
    ]
    assert data.train[0].document.text == "A <B> & Cé\n\nNEW YORK, Feb 26 - Shares rose.\n    More."
    assert data.test[0].document.text == "all there is"
    remarks = "\n".join(data.remarks)
    assert "1 rows are left out: a story with none of the topics" in remarks
    assert "2 rows are left out: a story outside of the ModApte split" in remarks
    everything = read_labelled(tmp_path, topics="all")
    assert [d.labels for d in everything.train] == [("acq", "rare"), ("rare",)]


def test_a_story_that_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "reut2-000.sgm"
    good = story(1, "TRAIN", ["acq"], BODY) + story(2, "TEST", ["acq"], BODY)
    path.write_bytes((good + '<REUTERS TOPICS="YES" NEWID="3">\n').encode("latin-1"))
    with pytest.raises(InputError, match=r"reut2-000\.sgm:\d+: <REUTERS> is never closed"):
        read_labelled(tmp_path)
    assert read_labelled(tmp_path, options=ReadOptions(skip_bad=True)).skipped == 1


PATIENT = """<?xml version="1.0" encoding="UTF-8"?>
<PatientMatching><TEXT><![CDATA[
Record date: 2093-01-13 <old> & new
]]></TEXT><TAGS><ABDOMINAL met="{}" /><KETO-1YR met="not met" /></TAGS></PatientMatching>
"""


def test_patients_and_the_criteria_they_meet(tmp_path: Path) -> None:
    written(tmp_path / "train" / "100.xml", PATIENT.format("met"))
    written(tmp_path / "train" / "101.xml", PATIENT.format("not met"))
    written(tmp_path / "test" / "102.xml", PATIENT.format("met"))
    data = read_labelled(tmp_path)
    assert data.labels.names == ("ABDOMINAL", "KETO-1YR")
    assert [(d.document.id, d.labels) for d in data.train] == [("100", ("ABDOMINAL",)), ("101", ())]
    assert data.train[0].document.text == "Record date: 2093-01-13 <old> & new"
    assert [d.document.id for d in data.test] == ["102"]
    assert data.duplicates == {"102": "100"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PATIENT.format("maybe"), 'met="maybe"'),
        (PATIENT.format("met").replace("</TAGS>", ""), "well-formed"),
        ("<PatientMatching><TEXT>a</TEXT></PatientMatching>", "no <TAGS>"),
        ("<other/>", "<other> as its root"),
    ],
)
def test_a_patient_that_cannot_be_read(tmp_path: Path, content: str, says: str) -> None:
    written(tmp_path / "1.xml", PATIENT.format("met"))
    path = written(tmp_path / "2.xml", content)
    with pytest.raises(InputError, match=says) as caught:
        read_labelled(tmp_path)
    assert caught.value.where == str(path)
    assert read_labelled(tmp_path, options=ReadOptions(skip_bad=True)).skipped == 1
