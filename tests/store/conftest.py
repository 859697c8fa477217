"""The store's tests do not wait for the disk: `tests/test_files.py` sees to it that bytes are synced, and in order."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """A process that dies takes nothing of the page cache with it, so that syncing changes nothing here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
