"""MIMIC-III and MIMIC-IV on rows in their schemas: notes of an admission, codes with their dots, versions."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from labelled_files import written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.icd import with_dot
from retrieve.corpora.labelled.open import read_labelled
from retrieve.errors import InputError, UsageError

NOTES = (
    '"ROW_ID","SUBJECT_ID","HADM_ID","CHARTDATE","CHARTTIME","STORETIME","CATEGORY","DESCRIPTION","CGID","ISERROR","TEXT"\n'
    '1,7,100,2151-08-04,,,"Discharge summary","Addendum",,,"Added ""later"".\n"\n'
    '2,7,100,2151-07-16,,,"Discharge summary","Report",,,"Admission Date:\n\nDischarged home.\n"\n'
    '3,7,100,2151-07-10,,,"Nursing","Report",,,"Slept."\n'
    '4,8,200,2130-01-02,,,"Discharge summary","Report",,,"Short."\n'
    '5,8,200,2130-01-03,,,"Discharge summary","Report",,1,"Of another patient."\n'
    '6,9,300,2130-01-02,,,"Discharge summary","Report",,,"No codes."\n'
    '7,9,,2130-01-02,,,"Discharge summary","Report",,,"No admission."\n'
)
DIAGNOSES = (
    '"ROW_ID","SUBJECT_ID","HADM_ID","SEQ_NUM","ICD9_CODE"\n'
    '1,7,100,1,"4019"\n2,7,100,2,"E8788"\n3,7,100,3,"V3001"\n4,8,200,1,"042"\n5,8,200,2,""\n'
)
PROCEDURES = '"ROW_ID","SUBJECT_ID","HADM_ID","SEQ_NUM","ICD9_CODE"\n1,7,100,1,"3893"\n2,7,100,2,"3893"\n'
TITLES = (
    '"ROW_ID","ICD9_CODE","SHORT_TITLE","LONG_TITLE"\n1,"4019","NOS","Unspecified essential hypertension"\n'
)


@pytest.fixture
def third(tmp_path: Path) -> Path:
    (tmp_path / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(NOTES.encode()))
    written(tmp_path / "DIAGNOSES_ICD.csv", DIAGNOSES)
    written(tmp_path / "PROCEDURES_ICD.csv", PROCEDURES)
    written(tmp_path / "D_ICD_DIAGNOSES.csv", TITLES)
    return tmp_path


def test_an_admission_is_a_document_with_its_notes_in_order(third: Path) -> None:
    data = read_labelled(third)
    first, second = data.train
    assert first.document.id == "100"
    assert first.document.text == 'Admission Date:\n\nDischarged home.\n\nAdded "later".'
    assert first.document.metadata == {"subject_id": "7", "notes": 2}
    assert first.labels == ("38.93", "401.9", "E878.8", "V30.01")
    assert (second.document.id, second.document.text, second.labels) == ("200", "Short.", ("042",))
    assert data.task == "multilabel"
    assert data.labels.descriptions == {"401.9": "Unspecified essential hypertension"}


def test_everything_left_out_is_counted(third: Path) -> None:
    remarks = "\n".join(read_labelled(third).remarks)
    for sentence in (
        "1 rows are left out: a discharge summary without an admission",
        "1 rows are left out: a note that is marked as an error",
        "1 rows are left out: an admission without a code of ICD-9",
        "1 rows of codes have none",
        "the data name no split",
    ):
        assert sentence in remarks


def test_a_bad_row_of_notes_is_named_where_it_starts(third: Path) -> None:
    (third / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(NOTES.encode() + b"8,9,400,too short\n"))
    with pytest.raises(InputError, match=r"NOTEEVENTS\.csv\.gz:13: 4 columns, and the heading has 11"):
        read_labelled(third)
    data = read_labelled(third, options=ReadOptions(skip_bad=True))
    assert (len(data.train), data.skipped) == (2, 1)


def test_a_bad_row_of_codes_stops(third: Path) -> None:
    written(third / "DIAGNOSES_ICD.csv", DIAGNOSES + "6,8\n")
    with pytest.raises(InputError, match=r"DIAGNOSES_ICD\.csv:7"):
        read_labelled(third, options=ReadOptions(skip_bad=True))


def test_version_4_has_two_versions_of_codes(tmp_path: Path) -> None:
    written(
        tmp_path / "note" / "discharge.csv",
        "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text\n"
        '1-DS-1,1,10,DS,1,2180-01-02 00:00:00,,"In ten"\n2-DS-1,2,20,DS,1,2180-01-02 00:00:00,,In nine\n',
    )
    written(
        tmp_path / "hosp" / "diagnoses_icd.csv",
        "subject_id,hadm_id,seq_num,icd_code,icd_version\n1,10,1,I2510,10\n1,10,2,I10,10\n2,20,1,4019,9\n",
    )
    written(
        tmp_path / "hosp" / "procedures_icd.csv",
        "subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version\n1,10,1,2180-01-01,02HV33Z,10\n2,20,1,x,3893,9\n",
    )
    written(
        tmp_path / "hosp" / "d_icd_diagnoses.csv",
        "icd_code,icd_version,long_title\nI10   ,10,Essential hypertension\nI10,9,of another version\n",
    )
    ten, nine = read_labelled(tmp_path), read_labelled(tmp_path, version=9)
    assert [(d.document.id, d.labels) for d in ten.train] == [("10", ("02HV33Z", "I10", "I25.10"))]
    assert [(d.document.id, d.labels) for d in nine.train] == [("20", ("38.93", "401.9"))]
    assert ten.labels.descriptions == {"I10": "Essential hypertension"}
    assert "1 rows are left out: an admission without a code of ICD-10" in ten.remarks
    with pytest.raises(UsageError, match="version 11"):
        read_labelled(tmp_path, version=11)


def test_version_3_has_one(third: Path) -> None:
    with pytest.raises(UsageError, match="these data have 9"):
        read_labelled(third, version=10)


def test_codes_without_their_table(third: Path) -> None:
    (third / "PROCEDURES_ICD.csv").unlink()
    data = read_labelled(third)
    assert data.train[0].labels == ("401.9", "E878.8", "V30.01")
    assert any("diagnoses alone" in remark for remark in data.remarks)


@pytest.mark.parametrize(
    ("code", "kind", "version", "printed"),
    [
        ("4019", "diagnosis", 9, "401.9"),
        ("25000", "diagnosis", 9, "250.00"),
        ("042", "diagnosis", 9, "042"),
        ("E8788", "diagnosis", 9, "E878.8"),
        ("E849", "diagnosis", 9, "E849"),
        ("V4581", "diagnosis", 9, "V45.81"),
        ("3893", "procedure", 9, "38.93"),
        ("40", "procedure", 9, "40"),
        ("E119", "diagnosis", 10, "E11.9"),
        ("I10", "diagnosis", 10, "I10"),
        ("02HV33Z", "procedure", 10, "02HV33Z"),
    ],
)
def test_dots(code: str, kind: str, version: int, printed: str) -> None:
    """Printed forms as in ICD-9-CM and ICD-10-CM; the E of an ICD-10 code is no external cause."""
    assert with_dot(code, kind, version) == printed  # type: ignore[arg-type]


def test_admissions_of_a_patient_are_a_group(third: Path) -> None:
    assert [document.group for document in read_labelled(third).train] == ["7", "8"]


def test_another_field_can_be_the_group_and_a_missing_one_is_refused(third: Path) -> None:
    assert [document.group for document in read_labelled(third, group="notes").train] == ["2", "1"]
    with pytest.raises(UsageError, match="no document has 'ward' in its metadata"):
        read_labelled(third, group="ward")
