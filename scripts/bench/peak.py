"""What a process takes: its largest anonymous memory while it runs (RssAnon: maps of files are the page cache's), and
what the system counted of it when it has ended.
"""

from __future__ import annotations

import os
import resource
import subprocess
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


def usage_of(process: subprocess.Popen[str]) -> resource.struct_rusage:
    """Wait for a process, and what it used; its `returncode` is set."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage
