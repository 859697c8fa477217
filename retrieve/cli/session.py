"""What one invocation of the command has in common: how much it says, and how it ends.

Everything the library says goes through its logger to standard error; every error it raises becomes one line there
and an exit status. A traceback is for faults of ours.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from retrieve.errors import RetrieveError, UsageError

INTERRUPTED = 130
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's malloc.h
_ARRAY = 1 << 18


@dataclass
class Session:
    """`kept`: what is true of the work so far if it is interrupted now."""

    quiet: bool = False
    kept: str = "nothing was changed"


def keeps(what: str) -> None:
    """Say, for the case of an interruption, what this verb leaves behind."""
    session = click.get_current_context().find_object(Session)
    if session is not None:
        session.kept = what


def writes_index() -> None:
    """`keeps` of a verb that builds."""
    keeps("the index is as it was; finished segments are kept, and the same command goes on from them")
    _give_back_arrays()


def _give_back_arrays() -> None:
    """Let glibc give every array of a segment back to the system as soon as it is done with.

    By itself it keeps larger ones the larger those are that were given back before, so that a long build grew.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        tell = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
        if tell is not None:
            tell(_MMAP_THRESHOLD, _ARRAY)


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at the time: progress bars and tests put their own in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        level = f"{record.levelname.lower()}: " if record.levelno > logging.INFO else ""
        print(f"{level}{record.getMessage()}", file=sys.stderr, flush=True)


def log_to_stderr(*, quiet: bool) -> Callable[[], None]:
    """Show the library's remarks; the function returned undoes it."""
    logger = logging.getLogger("retrieve")
    handler = _StandardError()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False

    def undo() -> None:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before

    return undo


@contextmanager
def fail_by_exit_status(ctx: click.Context) -> Iterator[None]:
    """Errors of the library and of the system as one line and an exit status: 1 failed, 2 wrong usage, 130 Ctrl-C."""
    try:
        yield
    except RetrieveError as error:
        click.echo(f"retrieve: {error}", err=True)
        ctx.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read our output has had enough; click ends quietly
            raise
        click.echo(f"retrieve: {error}", err=True)
        ctx.exit(1)
    except KeyboardInterrupt:
        kept = ctx.obj.kept if isinstance(ctx.obj, Session) else Session.kept
        click.echo(f"\nretrieve: interrupted: {kept}", err=True)
        ctx.exit(INTERRUPTED)
