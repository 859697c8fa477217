"""Compiled kernels: one decorator for all of them, which keeps what numba made where this user may write, if anywhere.

numba's own decorator asks for a folder when a module is imported and ends the import where it may write to none, and a
full disk ends a search. Here nothing that is wrong with a folder ends anything: what was not kept is compiled again.
And compiling, which takes half a minute after an installation, is announced and told apart from the work itself.
"""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit
from numba.core import event
from numba.core.caching import CompileResultCacheImpl, FunctionCache, InTreeCacheLocator
from numba.core.compiler_lock import global_compiler_lock

from retrieve.user_folders import cache_root

_log = logging.getLogger("retrieve")

Function = TypeVar("Function", bound=Callable[..., Any])

# What numba raises for a file that cannot be read, or that is not what it wrote: it unpickles without checking.
_UNREADABLE = (
    *(OSError, EOFError, pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ImportError, RuntimeError, AssertionError, MemoryError),
)


def kernel(function: Function) -> Function:
    """Compile a function when it is first called with arguments of some types; it runs without Python's lock.

    What was compiled is kept in `$NUMBA_CACHE_DIR` if that is set, else beside the source, else in the user's cache:
    the first of these that can be written. What lies in any of them is used, also where nothing can be written.
    """
    compiled: Any = njit(nogil=True)(function)
    compiled._cache = _Kept(function)
    return cast(Function, compiled)


def clock() -> float:
    """Seconds, as `time.perf_counter` has them, of a clock that stands still while kernels are compiled."""
    return _compiling.clock()


class _Locator(InTreeCacheLocator):
    """A folder that numba does not try to write to before there is something to write."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(py_func, py_file)


@cache
def _cache_in(folder: Path | None) -> type[Any]:
    """numba's cache of a function's compiled forms, below a folder; None: beside its source."""

    class Locator(_Locator):
        def __init__(self, py_func: Any, py_file: str) -> None:
            super().__init__(py_func, py_file)  # type: ignore[no-untyped-call]
            if folder is not None:
                below: str = self.get_suitable_cache_subpath(py_file)  # type: ignore[no-untyped-call]
                self._cache_path = str(folder / below)

    class Forms(CompileResultCacheImpl):
        _locator_classes = [Locator]  # noqa: RUF012 - it stands in place of numba's own

    class Cache(FunctionCache):
        _impl_class = Forms

    return Cache


class _Kept:
    """What numba asks of a function's cache, over several folders: the first that has a form gives it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._places = [_cache_in(folder)(function) for folder in _folders()]

    @property
    def cache_path(self) -> str:
        """The folder that is tried first."""
        path: str = self._places[0].cache_path
        return path

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The compiled form for a signature, or None: numba compiles then."""
        for place in self._places:
            try:
                found = place.load_overload(signature, context)
            except _UNREADABLE as error:
                _log.debug("%s cannot be read and is made anew: %s", place.cache_path, error)
                found = None
            if found is not None:
                return found
        _announce()
        return None

    def save_overload(self, signature: Any, form: Any) -> None:
        """Keep a compiled form in the first folder that takes it."""
        problems = []
        for place in self._places:
            try:
                _save(place, signature, form)
            except OSError as error:
                problems.append(str(error))
            else:
                return
        _say_not_kept("; ".join(problems))

    def flush(self) -> None:
        """Forget the forms of this function, where they can be removed."""
        for place in self._places:
            place.flush()

    def enable(self) -> None:
        """Go on keeping what is compiled."""
        for place in self._places:
            place.enable()

    def disable(self) -> None:
        """Keep nothing and use nothing kept."""
        for place in self._places:
            place.disable()


def _save(place: Any, signature: Any, form: Any) -> None:
    try:
        place.save_overload(signature, form)
    except OSError:
        raise
    except _UNREADABLE:  # the list of what is there, which is damaged
        place.flush()
        place.save_overload(signature, form)


def _folders() -> tuple[Path | None, ...]:
    """Where compiled kernels are looked for, and kept in the first that can be written; None: beside their source."""
    named: str = getattr(config, "CACHE_DIR")  # noqa: B009 - numba's settings are made when it loads
    given = Path(named) if named else None
    if given is not None and _may_write(given):
        return (given,)
    own = (None, cache_root() / "kernels")
    return own if given is None else (given, *own)


@cache
def _may_write(folder: Path) -> bool:
    """Whether files can be put into a folder, which is made for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@cache
def _announce() -> None:
    _log.info(
        "compiling what searches and builds for this machine: about half a minute of processor time, once after an "
        "installation"
    )


def _say_not_kept(problem: str) -> None:
    if _SAID:
        return
    _SAID.append(problem)
    _log.warning(
        "compiled kernels cannot be kept, so every process compiles them again, half a minute of processor time: set "
        "$NUMBA_CACHE_DIR or $RETRIEVE_CACHE to a folder that can be written (%s)",
        problem,
    )


_SAID: list[str] = []


class _Compiling(event.Listener):
    """How long kernels have been compiled in this process. numba compiles in one thread at a time, one in another."""

    def __init__(self) -> None:
        self._depth = 0
        self._since = self._spent = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._since = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._spent += time.perf_counter() - self._since

    def clock(self) -> float:
        """Now, less the time spent compiling."""
        return (self._since if self._depth else time.perf_counter()) - self._spent


_compiling = _Compiling()
event.register("numba:compile", _compiling)  # type: ignore[no-untyped-call]

if hasattr(os, "register_at_fork"):
    # A child that was forked while another thread compiled could never compile.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
