"""The largest anonymous memory of a process while it runs (RssAnon: maps of files are the page cache's)."""

from __future__ import annotations

import threading
from pathlib import Path

EVERY = 0.02
"""Seconds between two looks."""


class Peak:
    """The largest RssAnon of a process (default: this one), in MiB, looked at until the block is left."""

    def __init__(self, process: int | str = "self") -> None:
        self.mebibytes = 0.0
        self._status = Path(f"/proc/{process}/status")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            for (
                line
            ) in self._status.read_text().splitlines():  # a process that ended unwaited has no such line
                if line.startswith("RssAnon:"):
                    self.mebibytes = max(self.mebibytes, int(line.split()[1]) / 1024)
