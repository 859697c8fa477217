"""Any damage to any file is named by `verify`, and no question is answered wrongly or ends in a stranger's error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from store_damage import KINDS, RECIPES, Case, can_be_missing, damaged, faults


@pytest.mark.parametrize("name", ["bm25", "hybrid", "binary", "uhd"])
def test_every_file_is_damaged_in_every_way(tmp_path: Path, name: str) -> None:
    case = Case.make(tmp_path / "a.index", name, 40)
    chance = random.Random(RECIPES[name].__repr__())
    refused = 0
    for path in case.files:
        for kind in KINDS:
            if kind == "missing" and not can_be_missing(path):
                continue
            with damaged(path, kind, chance) as changed:
                if changed:
                    questions, wrong = faults(case, path)
                    refused += questions
                    assert wrong == [], f"{path}, {kind}"
    assert refused > len(case.files)
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


def test_every_bit_of_a_header(tmp_path: Path) -> None:
    case = Case.make(tmp_path / "a.index", "bm25", 12)
    for path in case.files:
        if path.name not in ("passages.npy", "0.integer_values.npy"):
            continue
        good = path.read_bytes()
        for bit in range(0, 8 * 80, 3):
            data = bytearray(good)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            assert case.check()[1] == []
        path.write_bytes(good)
