"""Citations of generated text: each number is looked up, none is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve import UsageError
from retrieve.rag import Context, Source, check_citations

GIVEN = Context("", tuple(Source(number, f"d{number}", ()) for number in (1, 2, 3)), 0, 1)


@pytest.mark.parametrize(
    ("text", "known", "unknown"),
    [
        ("So it is [1].", [1], []),
        ("So [2, 3] and [1][2]", [2, 3, 1, 2], []),
        ("[1;2] [ 3 ] [1, 2,]", [1, 2, 3, 1, 2], []),
        ("ranges [1-3], [2–3], [3—4]", [1, 2, 3, 2, 3, 3], [4]),
        ("made up [4], [0] and [2, 17]", [2], [4, 0, 17]),
        ("a year [2019-2400]", [], [2019, 2400]),
        ("falling [3-2], twice [1, 1]", [2, 3, 1], []),
        ("zeros [01]", [1], []),
        ("not one: [a] [1a] [] [1.5] 1] [1 [^1] (1) [-1]", [], []),
        ("x[1] and [[2]]", [1, 2], []),
        ("", [], []),
    ],
)
def test_numbers_in_brackets(text: str, known: list[int], unknown: list[int]) -> None:
    found, lost = check_citations(text, GIVEN)
    assert [citation.number for citation in found] == known
    assert [citation.number for citation in lost] == unknown
    assert all(citation.source is GIVEN.sources[citation.number - 1] for citation in found)
    assert all(citation.source is None for citation in lost)
    for citation in (*found, *lost):
        assert re.fullmatch(r"\[[^\]]*\]", text[citation.start : citation.end])


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True), max_size=5))
def test_none_is_lost(groups: list[list[int]]) -> None:
    """Whatever is written in brackets comes back on one side or the other, in its order."""
    text = " and ".join(str(group) for group in groups)
    found, lost = check_citations(text, GIVEN)
    numbers = [number for group in groups for number in group]
    assert [citation.number for citation in found] == [number for number in numbers if 1 <= number <= 3]
    assert [citation.number for citation in lost] == [number for number in numbers if not 1 <= number <= 3]


def test_only_text_is_read() -> None:
    with pytest.raises(UsageError, match="wanted a string"):
        check_citations(None, GIVEN)  # type: ignore[arg-type]
