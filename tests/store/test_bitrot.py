"""Any damage to any file is named by `verify`, and no question is answered wrongly or ends in a stranger's error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from store_damage import KINDS, Case, can_be_missing, damaged, faults, kind_of

from retrieve import Index
from retrieve.errors import IndexCorrupt


@pytest.mark.parametrize("name", ["bm25", "hybrid", "binary", "uhd"])
def test_a_file_of_each_kind_is_damaged(tmp_path: Path, name: str) -> None:
    case = Case.make(tmp_path / "a.index", name, 40)
    chance = random.Random(name)
    refused = 0
    for number, path in enumerate({kind_of(case, path): path for path in case.files}.values()):
        for kind in (KINDS[number % 4], KINDS[(number + 1) % 4]):
            if kind == "missing" and not can_be_missing(path):
                continue
            with damaged(path, kind, chance) as changed:
                if changed:
                    questions, wrong = faults(case, path)
                    refused += questions
                    assert wrong == [], f"{path}, {kind}"
    assert refused > len(case.questions)
    assert case.check() == (0, [])


@pytest.mark.parametrize("name", ["trained", "codes of FAISS alone"])
def test_what_was_learned_is_damaged(tmp_path: Path, name: str) -> None:
    pytest.importorskip("faiss")
    case = Case.make(tmp_path / "a.index", name, 1_000)
    chance = random.Random(1)
    learned = [path for path in case.files if path.suffix == ".faiss"]
    assert len(learned) > 1
    for path in learned:
        for kind in KINDS:
            with damaged(path, kind, chance) as changed:
                assert not changed or faults(case, path)[1] == [], f"{path}, {kind}"


def test_bits_of_a_header_and_of_a_column(tmp_path: Path) -> None:
    case = Case.make(tmp_path / "a.index", "bm25", 12)
    for name in ("passages.npy", "0.integer_values.npy", "0.integer_rows.npy"):
        path = next(path for path in case.files if path.name == name)
        good = path.read_bytes()
        for bit in [*range(0, 8 * 80, 41), 8 * 128 + 3, 8 * 128 + 6, 8 * 129 + 1]:
            data = bytearray(good)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            assert case.check()[1] == []
        path.write_bytes(good)


def test_a_document_of_a_table_too_large_to_be_checked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case.make(tmp_path / "a.index", "bm25", 12)
    monkeypatch.setattr("retrieve.files.LARGEST_CHECKED", 0)
    chance = random.Random(4)
    ids = sorted(f"d{number:04}" for number in range(12))
    with Index.open(case.folder) as index:
        expected = index.get_many(ids)
    refused = 0
    for path in case.files:
        for _ in range(40 if path.name == "documents.sqlite" else 0):
            with damaged(path, "flip", chance):
                try:
                    with Index.open(case.folder) as index:
                        assert index.get_many(ids) == expected
                except IndexCorrupt as error:
                    assert str(path) in str(error)
                    refused += 1
    assert refused > 5
