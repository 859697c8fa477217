"""The forms of the compiled core that this processor runs: what one of them computes, all compute."""

from __future__ import annotations

from importlib import import_module
from typing import Any

FORMS: dict[str, Any] = {}
"""From the name of an instruction set to its module."""

for _name in ("baseline", "avx2", "avx512"):
    FORMS[_name] = import_module(f"retrieve._core._{_name}")
    if _name == import_module("retrieve._core._cpu").level():
        break
