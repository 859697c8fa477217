"""A batch to each core: the same results in the same order, and torch's own setting left as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from retrieve.encoders.torch.cores import on_cores


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_batches() -> None:
    arrived = threading.Barrier(3)

    def square(number: int) -> int:
        if number < 3:
            arrived.wait(timeout=30)  # passes only if three are worked on at once
        return number**2

    assert list(on_cores(square, range(20))) == [number**2 for number in range(20)]


def test_each_batch_is_computed_by_one_thread_and_the_callers_setting_stays() -> None:
    assert set(on_cores(lambda _: torch.get_num_threads(), range(12))) == {1}
    assert torch.get_num_threads() == 3
    assert list(on_cores(lambda _: torch.get_num_threads(), range(1))) == [3]
    assert list(on_cores(abs, [])) == []
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert found == [3]


def test_an_error_of_a_batch_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(on_cores(lambda number: 1 / number, [1, 2, 0, 3]))
    assert torch.get_num_threads() == 3


def test_a_caller_may_stop_early() -> None:
    results = on_cores(lambda number: number, range(1000))
    assert next(results) == 0
    results.close()
    assert torch.get_num_threads() == 3


def test_what_a_batch_gives_does_not_depend_on_the_number_of_threads() -> None:
    layer = torch.nn.Linear(300, 200)
    batches = list(torch.randn(7, 50, 300).unbind())

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            result: torch.Tensor = layer(batch)
            return result

    by_three = list(on_cores(forward, batches))
    torch.set_num_threads(2)
    for one, other in zip(by_three, on_cores(forward, batches), strict=True):
        assert torch.equal(one, other)
