"""torch in a child that was forked off a process which had loaded it: one thread computes there.

Its helpers were threads of the parent, and the one thread that a child begins with would wait for them for ever. It
gets by without; the numbers are the same.
"""

from __future__ import annotations

import sys

from retrieve.fork_safety import inherited


def torch_alone_after_fork() -> None:
    """Have torch compute in the calling thread alone, if this process was forked off one that had loaded it."""
    if inherited("torch"):
        sys.modules["torch"].set_num_threads(1)
