"""Where indexes live: a path, or a name under the home folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from retrieve.errors import RetrieveError, UsageError
from retrieve.store.manifest import MANIFEST
from retrieve.user_folders import named_by, user_home

LUCENE = "lucene:"
"""Before the folder of an index of Lucene's that was made elsewhere, where an index is named."""


def home() -> Path:
    """`$RETRIEVE_HOME`; else `indexes/` of the checkout this runs from; else the user's data folder."""
    if (named := named_by("RETRIEVE_HOME")) is not None:
        return named
    checkout = Path(__file__).resolve().parent.parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "indexes").is_dir():
        return checkout / "indexes"
    if (Path.cwd() / "indexes" / "hybrid.toml").is_file():
        return Path.cwd() / "indexes"
    if sys.platform == "darwin":
        return user_home() / "Library" / "Application Support" / "retrieve"
    return Path(os.environ.get("XDG_DATA_HOME") or user_home() / ".local" / "share") / "retrieve"


def index_path(name: str | Path) -> Path:
    """A path with a separator as it is; an index of that name here; any other name under `home()`.

    A name with a suffix, as in laws.v2, is a path too, unless it names an index under `home()`; so is one of a file, of
    an empty folder, or of what is left of an index. A folder of documents is none: `laws laws` makes an index at home.
    One of Lucene's is `UsageError`: whoever can do with one has looked before.
    """
    if str(name).startswith(LUCENE):
        raise UsageError(
            f"{name} is an index of Lucene's, which `retrieve search` and `retrieve run` can read and nothing else: "
            "wanted one of `retrieve index create`"
        )
    path = Path(name)
    said = os.sep in str(name)  # which `./laws` has no more as a Path
    if said or path.is_absolute() or len(path.parts) != 1 or is_index(path):
        return path
    at_home = home() / path
    if is_index(at_home):
        return at_home
    return path if path.suffix or _is_path(path) else at_home


def _is_path(name: Path) -> bool:
    """Whether what has this name here is meant by it: any file, a folder that is empty or has segments."""
    if not name.is_dir():
        return name.exists()
    return (name / "segments").is_dir() or not any(name.iterdir())


def check_makeable(folder: Path) -> None:
    """Raise `RetrieveError` where this user can make no index: said before an encoder is loaded for one."""
    there = folder
    while not os.path.exists(there):  # noqa: PTH110 - of a path that may not be looked at it says no, not an error
        there = there.parent
    is_file = os.path.isfile(there)  # noqa: PTH113 - as above
    if is_file and there == folder:
        return  # in the way, which is for `create_index` to say
    if is_file or not os.access(there, os.W_OK | os.X_OK):
        at_home = folder.is_relative_to(home())
        remedy = "set $RETRIEVE_HOME to a folder that can be" if at_home else "choose a place that can be"
        wrong = "is a file and cannot hold one" if is_file else "cannot be written"
        raise RetrieveError(f"no index can be made at {folder}, as {there} {wrong}: {remedy}")


def is_index(folder: Path) -> bool:
    """Whether there is a manifest, good or bad."""
    return (folder / MANIFEST).is_file()


def list_indexes(folder: Path | None = None) -> list[Path]:
    """Index folders directly under a folder (default: the home), sorted by name."""
    place = folder if folder is not None else home()
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if is_index(path))
