"""Batches: every text once, within the budget, longest first, and the same for the same lengths."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.encoders.batches import Padded, batches
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


def test_padding_is_at_the_end_and_masked() -> None:
    rows = [TokenRow(np.array(ids, np.int32), np.ones(len(ids), np.int32), 0) for ids in ([5, 6, 7], [8])]
    padded = Padded(rows, pad=9)
    assert padded.ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert padded.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert padded.types.tolist() == [[1, 1, 1], [1, 0, 0]]
