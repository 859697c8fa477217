"""Batches: every text once, within the budget, longest first, and the same for the same lengths."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.encoders.batches import Padded, batches, filled_length, filled_shape
from retrieve.encoders.tokens import TokenRow


@settings(max_examples=200, deadline=None)
@given(lengths=st.lists(st.integers(0, 50), max_size=60), budget=st.integers(1, 200))
def test_batches_part_the_texts_within_the_budget(lengths: list[int], budget: int) -> None:
    parts = [batch.tolist() for batch in batches(lengths, budget)]
    flat = [number for part in parts for number in part]
    assert flat == sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    assert all(len(part) == 1 or lengths[part[0]] * len(part) <= budget for part in parts)
    # None is smaller than it need be: one more text would have been too much. A text without tokens counts as one.
    assert all(max(1, lengths[part[0]]) * (len(part) + 1) > budget for part in parts[:-1])


@settings(max_examples=200, deadline=None)
@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200), budget=st.integers(1, 5000))
def test_filled_batches_hold_their_texts_within_the_budget(lengths: list[int], budget: int) -> None:
    limit = max(lengths)
    parts = [batch.tolist() for batch in batches(lengths, budget, fill=True)]
    assert sorted(number for part in parts for number in part) == list(range(len(lengths)))
    shapes = [
        filled_shape(len(part), lengths[part[0]], limit, budget, alone=len(parts) == 1) for part in parts
    ]
    for part, (rows, length) in zip(parts, shapes, strict=True):
        assert len(part) <= rows
        assert max(lengths[number] for number in part) <= length <= limit
        assert rows == 1 or rows * length <= budget
    # A shape for each length, whatever is left for the last batch.
    assert len(set(shapes)) <= len({filled_length(length) for length in lengths})
    if len(parts) == 1:
        assert shapes[0][0] < 2 * len(lengths)


def test_lengths_are_filled_up_to_sixteens_or_little_beyond() -> None:
    filled = [filled_length(length) for length in range(1, 8193)]
    assert filled == sorted(filled)
    assert all(length <= ours < length + max(16, length / 8) for length, ours in enumerate(filled, 1))
    assert all(filled_length(length) == length for length in filled)
    short = sorted(set(filled[:128]))
    assert short[:9] == [2, 4, 8, 12, 16, 18, 20, 24, 32]
    assert short[-7:] == [80, 84, 96, 100, 112, 116, 128]
    assert len(set(filled)) == 17 + 8 + 8 + 5 * 8  # to 64, to 128, to 256, then eight to each doubling


def test_rows_beyond_the_texts_are_a_token_of_padding() -> None:
    row = TokenRow(np.array([5, 6], np.int32), np.ones(2, np.int32), 0)
    padded = Padded([row], pad=9, shape=(3, 4))
    assert padded.ids.tolist() == [[5, 6, 9, 9], [9, 9, 9, 9], [9, 9, 9, 9]]
    assert padded.mask.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]


def test_padding_is_at_the_end_and_masked() -> None:
    rows = [TokenRow(np.array(ids, np.int32), np.ones(len(ids), np.int32), 0) for ids in ([5, 6, 7], [8])]
    padded = Padded(rows, pad=9)
    assert padded.ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert padded.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert padded.types.tolist() == [[1, 1, 1], [1, 0, 0]]
