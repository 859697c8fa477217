"""Text of PDF files, from a process that is started for the first of them and ends with the pass over a collection."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.pdf.engine import SECONDS_A_PAGE
from retrieve.corpora.pdf.line_ends import joined
from retrieve.errors import InputError, MissingExtra, RetrieveError

logger = logging.getLogger("retrieve")

_ENGINE = "retrieve.corpora.pdf.engine"
_TOO_LONG = getattr(signal, "SIGPROF", None)


class PdfReader:
    """Reads files one after the other; leaving it as a context ends its process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> PdfReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def read(self, path: Path, where: str) -> Extracted:
        """The pages of a file with form feeds between them; no title, as what PDF files carry is mostly the name of a
        word processor's file.

        What viewers hide is left out. A file that is locked or shows pictures has no text and says so. Raises
        `InputError` for one that is damaged, cut off or none at all, and `MissingExtra` without the library.
        """
        pages: list[str] = []
        try:
            answer = self._ask(path)
            while not answer.keys() & {"end", "error"}:
                if "page" in answer:
                    pages.append(answer["page"])
                else:
                    logger.warning("%s: %s", where, answer["remark"])
                answer = self._next()
        except BaseException:
            self._end()  # what it still has to say would be taken for the next file's
            raise
        if "error" in answer:
            raise InputError(where, f"is not readable as PDF ({answer['error']}): repair it or take it out")
        return Extracted(joined(pages) if any(pages) else "", why_empty=answer["end"])

    def _ask(self, path: Path) -> dict[str, Any]:
        if self._process is None:
            self._process = _start()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the process has ended, which the next line shows
            self._process.stdin.write(json.dumps(str(path)) + "\n")
            self._process.stdin.flush()
        return self._next()

    def _next(self) -> dict[str, Any]:
        """The next line; where there is none the process has ended over the file."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.endswith("\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = self._process.wait()
        self._end()
        if status > 0:  # Python's own doing, and no fault of the file
            raise RetrieveError(
                f"the process that reads PDF files ended with status {status}: "
                f"`{sys.executable} -m {_ENGINE}` says why"
            )
        if -status == _TOO_LONG:
            return {"error": f"a page took more than {SECONDS_A_PAGE} s of processor time"}
        return {"error": f"pdf_oxide crashed on it with signal {-status}"}

    def _end(self) -> None:
        """The process has nothing to finish, so it is not waited for."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError):
                process.communicate()


def _start() -> subprocess.Popen[str]:
    if any(find_spec(name) is None for name in ("pdf_oxide", "pypdf")):
        raise MissingExtra("reading PDF files", "files")
    paths = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", _ENGINE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="ascii",
    )
