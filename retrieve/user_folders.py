"""Folders of the user's own: where things are kept when nobody says otherwise.

Some users have no home (those that services run as) or one that is not there. Nothing fails for that before something
is to be written; then the variable that names another folder is said.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NO_HOME = Path("/nonexistent")
"""What systems write where a user has no home: it is not there, and only root could make it."""


def user_home() -> Path:
    """The user's home, which need not exist."""
    try:
        return Path.home()
    except RuntimeError:  # neither $HOME nor an entry among the users
        return _NO_HOME


def named_by(variable: str) -> Path | None:
    """The folder that a variable names, None where it is not set or empty.

    `~` is the user's home: where a service or a container is described, no shell stands between.
    """
    value = os.environ.get(variable)
    if not value:
        return None
    parts = Path(value).parts
    return user_home().joinpath(*parts[1:]) if parts[:1] == ("~",) else Path(value)


def cache_root() -> Path:
    """`$RETRIEVE_CACHE`; else `retrieve` in the user's folder of caches."""
    if (named := named_by("RETRIEVE_CACHE")) is not None:
        return named
    if sys.platform == "darwin":
        return user_home() / "Library" / "Caches" / "retrieve"
    return Path(os.environ.get("XDG_CACHE_HOME") or user_home() / ".cache") / "retrieve"
