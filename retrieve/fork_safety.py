"""What a process has to know of itself: a child that was forked has none of its parent's threads.

A lock that another thread of the parent held at the fork would stay held in the child for ever, what computed in such
threads never answers there, and what ends by waiting for them never ends. Locks are made anew, computing is done in one
thread, and what cannot be taken apart is kept. A thread keeps its own signal stack.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Any


class ForkSafeLock:
    """A lock, free again in a child that was forked while another thread of the parent held it.

    `awaited`: a fork waits until nobody holds it. For what leaves something half done in memory that other people's
    code keeps, and is never held for longer than a moment, nor while another such lock is taken.
    """

    def __init__(self, *, awaited: bool = False) -> None:
        self._lock = threading.Lock()
        _locks.add(self)
        if awaited:
            _awaited.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Forget who held it. For a child that was just forked, whose one thread held nothing."""
        self._lock = threading.Lock()


def inherited(module: str) -> bool:
    """Whether this process was forked off one that had loaded a module: its threads were left behind then."""
    return module in _inherited


def keep_in_children(thing: object) -> None:
    """Have every process that is forked off this one keep a thing for ever; here it goes when nobody has it."""
    _kept_in_children.add(thing)


def keep_for_ever(thing: object) -> None:
    """Never take a thing apart, not even when the process ends, as that would wait for threads that are not here."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


class SignalStack(ctypes.Structure):
    """Where the signal handlers of a thread run, as Linux has it (`stack_t`)."""

    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def signal_stack() -> SignalStack:
    """That of this thread; without an address if there is none."""
    stack = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Gives this thread the signal stack back that it had before, on Linux.

    OpenVINO's plugin for the processor sets one of its own, and frees it with its last core, in whichever thread that
    goes: the next signal, Ctrl-C or the end of a child, then ended the process without a word.
    """
    if sys.platform != "linux":
        yield
        return
    before = signal_stack()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)


_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_awaited: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_kept_in_children: weakref.WeakSet[Any] = weakref.WeakSet()
_inherited: set[str] = set()
_forking = threading.Lock()
_held: list[Any] = []
_collecting: list[bool] = []


def _wait_for_locks() -> None:
    _forking.acquire()  # two threads that fork at once take turns
    # What is garbage already may be among what a child has to keep: nothing is collected before that is done.
    _collecting.append(gc.isenabled())
    gc.disable()
    for lock in list(_awaited):
        lock.__enter__()
        _held.append(lock)


def _let_go() -> None:
    while _held:
        _held.pop().__exit__(None, None, None)
    if _collecting.pop():
        gc.enable()
    _forking.release()


def _begin_child() -> None:
    for thing in list(_kept_in_children):
        keep_for_ever(thing)
    _inherited.update(sys.modules)
    _let_go()
    for lock in list(_locks):
        lock.renew()
    if sys.version_info < (3, 12):
        _renew_property_locks()


def _renew_property_locks() -> None:
    """Before Python 3.12 each cached property has one lock for all objects of its class, held while it is computed."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "retrieve":
            continue
        for kind in list(vars(module).values()):
            for value in list(vars(kind).values()) if isinstance(kind, type) else ():
                if isinstance(value, cached_property):
                    setattr(value, "lock", threading.RLock())  # noqa: B010 - types know of no lock


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_locks, after_in_parent=_let_go, after_in_child=_begin_child)
