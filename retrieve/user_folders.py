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


def cache_root() -> Path:
    """`$RETRIEVE_CACHE`; else `retrieve` in the user's folder of caches."""
    if value := os.environ.get("RETRIEVE_CACHE"):
        return Path(value)
    if sys.platform == "darwin":
        return user_home() / "Library" / "Caches" / "retrieve"
    return Path(os.environ.get("XDG_CACHE_HOME") or user_home() / ".cache") / "retrieve"
