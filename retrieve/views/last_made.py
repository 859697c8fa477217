"""What is made once for all threads and kept until it is asked for otherwise."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from retrieve.fork_safety import ForkSafeLock

Made = TypeVar("Made")


class LastMade(Generic[Made]):
    """The last thing that was made, and what it was made for."""

    def __init__(self) -> None:
        self._made: tuple[Hashable, Made] | None = None
        self._making = ForkSafeLock()

    def of(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The thing for `key`: made now, unless the last was made for the same."""
        with self._making:
            if self._made is None or self._made[0] != key:
                self._made = key, make()
            return self._made[1]
