"""From MIMIC-III's files, with rows made by hand, to a model, its report and labelled new notes: the whole path."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli_calls import call

NOTES = [
    *("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION"),
    *("CGID", "ISERROR", "TEXT"),
]
CODES = ["ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE"]
SIGNS = {
    "4019": "Blood pressure was high on every reading.",
    "25000": "Fasting glucose was raised, insulin was begun.",
    "486": "A consolidation of the left lower lobe, pneumonia.",
}
"""Codes as the files write them, without their dot, and what a note says of each."""
FEW = ["--set", "tfidf.C=[3.0]", "--set", "tfidf.ngrams=[1]", "--set", 'tfidf.models=["svm"]']


def write_rows(path: Path, heading: list[str], rows: list[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows([heading, *rows])


@pytest.fixture
def mimic(tmp_path: Path) -> Path:
    """Thirty patients with two admissions of one discharge summary each, and one or two codes."""
    folder = tmp_path / "mimic"
    folder.mkdir()
    notes: list[list[object]] = []
    codes: list[list[object]] = []
    names = list(SIGNS)
    for admission in range(60):
        patient = admission // 2
        own = {names[admission % 3], names[(admission // 3) % 3]}
        text = "Admission Date:  [**2151-7-16**]\n\n" + "\n".join(SIGNS[code] for code in sorted(own))
        dated = [admission, patient, 1000 + admission, "2151-07-16", "", ""]
        notes.append([*dated, "Discharge summary", "Report", "", "", text])
        codes += [[len(codes) + place, patient, 1000 + admission, 1, code] for place, code in enumerate(own)]
    write_rows(folder / "NOTEEVENTS.csv", NOTES, notes)
    write_rows(folder / "DIAGNOSES_ICD.csv", CODES, codes)
    titles: list[list[object]] = [[1, "4019", "Hypertension NOS", "Unspecified essential hypertension"]]
    write_rows(folder / "D_ICD_DIAGNOSES.csv", ["ROW_ID", "ICD9_CODE", "SHORT_TITLE", "LONG_TITLE"], titles)
    return folder


def test_from_the_files_to_a_report_and_labelled_notes(mimic: Path, tmp_path: Path) -> None:
    page, model = tmp_path / "page.html", tmp_path / "icd.model"
    trained = call(
        *("train", "classifier", mimic, "--preset", "tfidf", *FEW, "--out", model),
        *("--report", page, "--json"),
    )
    report = json.loads(trained.stdout)
    assert report["label_names"] == ["250.00", "401.9", "486"]
    assert report["data"]["train"] == 60
    assert report["fit"]["figures"]["micro_f1"] == 1.0
    assert "a patient's admissions stay on one side of any that is made" in " ".join(
        report["data"]["remarks"]
    )
    assert report["fit"]["train"] % 2 == report["fit"]["validation"] % 2 == 0  # whole patients
    assert "Unspecified essential hypertension" in page.read_text(encoding="utf-8")
    notes = tmp_path / "new.jsonl"
    notes.write_text(json.dumps({"id": "n1", "text": "Insulin was begun, glucose was raised."}) + "\n")
    (row,) = csv.DictReader(io.StringIO(call("classify", model, notes, "--csv").stdout))
    assert (row["id"], row["labels"]) == ("n1", "250.00")
