"""Errors go to other processes and come back as they were, whatever their constructors take."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from retrieve import errors
from retrieve.errors import InputError, MissingExtra, RetrieveError


def _kinds() -> list[type[RetrieveError]]:
    """Every error class of the module, those that are added later too."""
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [kind for kind in found if issubclass(kind, RetrieveError)]


def _example(kind: type[RetrieveError]) -> RetrieveError:
    """An error of this class, with a text for each argument that its constructor wants."""
    if kind.__init__ is Exception.__init__ or kind.__init__ is ValueError.__init__:
        return kind("found this, wanted that")
    wanted = list(inspect.signature(kind).parameters.values())
    named = {item.name: f"its {item.name}" for item in wanted if item.kind is item.KEYWORD_ONLY}
    return kind(*(f"the {item.name}" for item in wanted if item.kind is item.POSITIONAL_OR_KEYWORD), **named)


class _Demanding(RetrieveError):
    """A constructor whose arguments are nothing like the message."""

    def __init__(self, rows: list[int], *, folder: str) -> None:
        super().__init__(f"{len(rows)} rows in {folder}", rows)
        self.folder = folder


def _ways() -> list[Callable[[Any], Any]]:
    through = [
        lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    return [*through, copy.copy, copy.deepcopy]


def _seen(error: BaseException) -> tuple[Any, ...]:
    return type(error), str(error), error.args, vars(error)


def test_the_classes_are_found() -> None:
    assert {RetrieveError, InputError, MissingExtra} < set(_kinds())
    every = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    assert [kind for kind in every if issubclass(kind, BaseException)] == _kinds()


@pytest.mark.parametrize("kind", [*_kinds(), _Demanding])
@pytest.mark.parametrize("way", _ways())
def test_an_error_survives_being_pickled_and_copied(kind: type[RetrieveError], way: Any) -> None:
    error = _example(kind) if kind is not _Demanding else _Demanding([1, 2], folder="a.index")
    for text in ("seen while reading", "twice"):
        error.add_note(text)
    error.found = {"rows": 3}  # type: ignore[attr-defined]
    again = way(error)
    assert again is not error
    assert _seen(again) == _seen(error)
    assert again.__notes__ == ["seen while reading", "twice"]
    assert _seen(way(again)) == _seen(error)


def test_one_without_attributes_is_as_it_was() -> None:
    for way in _ways():
        assert _seen(way(RetrieveError("a message"))) == (RetrieveError, "a message", ("a message",), {})
        assert _seen(way(RetrieveError())) == (RetrieveError, "", (), {})


def _raise(name: str) -> None:
    error = _example(getattr(errors, name))
    error.add_note(name)
    raise error from OSError("its cause")


def test_every_error_comes_out_of_a_process_that_was_started_anew() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for kind in _kinds():
            with pytest.raises(RetrieveError) as raised:
                pool.submit(_raise, kind.__name__).result(timeout=60)
            expected = _example(kind)
            expected.add_note(kind.__name__)
            assert _seen(raised.value) == _seen(expected)
        assert pool.submit(int, "7").result(timeout=60) == 7, "the pool is whole"
