"""Any damage to any file is named by `verify`, and no question is answered wrongly or ends in a stranger's error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from store_damage import KINDS, Case, can_be_missing, damaged, faults

from retrieve import Index
from retrieve.errors import IndexCorrupt


@pytest.mark.parametrize("name", ["bm25", "hybrid", "binary", "uhd"])
def test_a_file_of_each_kind_is_damaged(tmp_path: Path, name: str) -> None:
    case = Case.make(tmp_path / "a.index", name, 40)
    chance = random.Random(name)
    refused = 0
    for number, target in enumerate({target.kind: target for target in case.targets}.values()):
        for kind in (KINDS[number % 4], KINDS[(number + 1) % 4]):
            if kind == "missing" and not can_be_missing(target):
                continue
            with damaged(target, kind, chance) as changed:
                if changed:
                    questions, wrong = faults(case, target)
                    refused += questions
                    assert wrong == [], f"{target}, {kind}"
    assert refused > len(case.questions)
    assert case.check() == (0, [])


@pytest.mark.parametrize("name", ["trained", "codes of FAISS alone"])
def test_what_was_learned_is_damaged(tmp_path: Path, name: str) -> None:
    pytest.importorskip("faiss")
    case = Case.make(tmp_path / "a.index", name, 1_000)
    chance = random.Random(1)
    learned = [target for target in case.targets if target.path.suffix == ".faiss"]
    assert len(learned) > 1
    for target in learned:
        for kind in KINDS:
            with damaged(target, kind, chance) as changed:
                assert not changed or faults(case, target)[1] == [], f"{target}, {kind}"


def test_bits_of_a_directory_and_of_a_column(tmp_path: Path) -> None:
    case = Case.make(tmp_path / "a.index", "bm25", 12)
    for name in ("passages", "columns/*.integer_values", "columns/*.integer_rows", "directory"):
        path, place, _ = next(target for target in case.targets if target.kind.endswith(f" {name}"))
        good = path.read_bytes()
        for bit in range(8 * place.start, 8 * min(place.stop, place.start + 80), 41):
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
    for target in case.targets:
        path = target.path
        for _ in range(40 if path.name == "documents.sqlite" else 0):
            with damaged(target, "flip", chance):
                try:
                    with Index.open(case.folder) as index:
                        assert index.get_many(ids) == expected
                except IndexCorrupt as error:
                    assert str(path) in str(error)
                    refused += 1
    assert refused > 5
