"""After any sequence of operations an index answers as a fresh one of the surviving documents."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from store_operations import Mix, Run, recipe

MIXES = st.builds(
    Mix,
    add=st.integers(1, 8),
    repeat=st.integers(0, 3),
    where=st.integers(0, 2),
    abandon=st.integers(0, 2),
    update=st.integers(0, 8),
    metadata=st.integers(0, 8),
    delete=st.integers(0, 6),
    commit=st.integers(1, 6),
    merge=st.integers(0, 4),
)


# No shrinking: a seed is small already, and a shorter sequence with another seed is another sequence.
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32),
    mix=MIXES,
    passages=st.sampled_from([7, 20, 50]),
    operations=st.integers(20, 60),
)
def test_a_sequence_of_operations_ends_where_a_fresh_index_begins(
    seed: int, mix: Mix, passages: int, operations: int
) -> None:
    with TemporaryDirectory() as folder:
        run = Run(Path(folder) / "a.index", seed, mix, recipe(passages))
        run.run(operations)
        run.check(Path(folder) / "fresh.index")


def test_a_trained_index_that_looks_everywhere_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr("retrieve.store.segment_builder.FIRST_SAMPLE", 160)
    run = Run(tmp_path / "a.index", 5, Mix(add=12, delete=1, where=0), recipe(50, factory="IVF4,Flat"))
    run.run(80)
    assert run.index.info()["trained"]
    run.check(tmp_path / "fresh.index")
