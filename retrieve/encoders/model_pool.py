"""One model in memory for all that use it in this process, gone when the last of them is.

What is shared is what is large, the back end that holds the weights and the tokenizer; prompts, counts and cache are
each user's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from retrieve.fork_safety import ForkSafeLock

Thing = TypeVar("Thing")


class Shared(Generic[Thing]):
    """Things by key, each made once for as long as somebody holds it. A forked child makes its own."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[Hashable, Thing] = WeakValueDictionary()
        self._making: WeakValueDictionary[Hashable, ForkSafeLock] = WeakValueDictionary()
        self._lock = ForkSafeLock()

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """The thing of this key, made now if nobody holds one. Others of other keys are made meanwhile."""
        key = key, os.getpid()
        with self._lock:
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = ForkSafeLock()
        with making:
            found = self._held.get(key)
            if found is None:
                found = self._held[key] = make()
            return found
