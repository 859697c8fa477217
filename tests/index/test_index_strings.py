"""SortedStrings and SortedStrings against Python's own sets, sorting and bisection."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import IndexCorrupt
from retrieve.index.strings import SortedStrings

# Few letters and shared prefixes, beside code points of one to four bytes: both make comparisons interesting.
words = st.one_of(st.text("ab\0é", max_size=6), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
tables = st.sets(words, max_size=40)


@pytest.mark.parametrize("kind", [SortedStrings, SortedStrings])
@settings(max_examples=150, deadline=None)
@given(tables, st.lists(words, max_size=20), st.randoms())
def test_finds_what_python_finds(
    kind: type[SortedStrings], table: set[str], others: list[str], random: Random
) -> None:
    ordered = sorted(table)
    strings = kind.build(ordered)
    queries = [*ordered, *others, *others[:2], "", "\ud800"]
    random.shuffle(queries)
    assert list(strings) == ordered
    assert len(strings) == len(ordered)
    wanted = [ordered.index(query) if query in table else -1 for query in queries]
    assert strings.find_many(queries).tolist() == wanted
    for query in [*others, *ordered[:3], "\ud800"]:
        assert strings.lower_bound(query) == bisect_left(ordered, query)
        assert strings.upper_bound(query) == bisect_right(ordered, query)
        assert (query in strings) == (query in table)
    assert strings.get_many(np.arange(len(ordered))[::-1]) == ordered[::-1]


@settings(max_examples=100, deadline=None)
@given(st.lists(tables, max_size=6))
def test_merge_is_the_sorted_union(parts: list[set[str]]) -> None:
    merged, maps = SortedStrings.merge([SortedStrings.build(sorted(part)) for part in parts])
    assert list(merged) == sorted(set().union(*parts))
    assert len(maps) == len(parts)
    for part, rows in zip(parts, maps, strict=True):
        assert rows.dtype == np.int64
        assert merged.get_many(rows) == sorted(part)


@settings(max_examples=60, deadline=None)
@given(tables, st.randoms())
def test_select_keeps_the_chosen(table: set[str], random: Random) -> None:
    ordered = sorted(table)
    keep = np.array([random.random() < 0.5 for _ in ordered], bool)
    assert list(SortedStrings.build(ordered).select(keep)) == [
        s for s, k in zip(ordered, keep, strict=True) if k
    ]


@pytest.mark.parametrize("bad", [["b", "a"], ["a", "a"], ["\U00010000", "\uffff"], ["a", "\ud800"]])
def test_build_refuses(bad: list[str]) -> None:
    with pytest.raises(ValueError, match=r"sorted by code point|surrogates"):
        SortedStrings.build(bad)


@pytest.mark.parametrize("row", [-1, 2])
def test_row_out_of_range(row: int) -> None:
    with pytest.raises(IndexError, match="of 2 strings"):
        SortedStrings.build(["a", "b"])[row]


@pytest.mark.parametrize("ordered", [[], [""], ["", "a", "ab", "é", "\U0001f600"]])
def test_survives_the_disk_as_a_read_only_map(tmp_path: Path, ordered: list[str]) -> None:
    for name, array in SortedStrings.build(ordered).arrays().items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=False)
    mapped = {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in tmp_path.glob("*.npy")}
    strings = SortedStrings.from_arrays(mapped)
    assert list(strings) == ordered
    assert strings.find_many(ordered).tolist() == list(range(len(ordered)))


def test_from_arrays_names_the_broken_array() -> None:
    good = SortedStrings.build(["a", "bc"]).arrays()
    broken = [
        ({"bytes": good["bytes"]}, "'offsets' is missing"),
        ({**good, "bytes": good["bytes"].astype(np.int8)}, "'bytes' is int8"),
        ({**good, "offsets": good["offsets"][None]}, "'offsets' is int64"),
        ({**good, "offsets": good["offsets"][:0]}, "'offsets' does not rise"),
        ({**good, "offsets": good["offsets"][:-1]}, "'offsets' does not rise"),
        ({**good, "offsets": np.array([0, 4, 3])}, "'offsets' does not rise"),
        ({**good, "offsets": good["offsets"] + 1}, "'offsets' does not rise"),
    ]
    for arrays, message in broken:
        with pytest.raises(IndexCorrupt, match=message):
            SortedStrings.from_arrays(arrays)
