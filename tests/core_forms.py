"""The forms of the compiled core that this processor runs: what one of them computes, all compute."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from retrieve._core import able_forms

FORMS: dict[str, Any] = {name: import_module(f"retrieve._core._{name}") for name in able_forms()}
"""From the name of an instruction set to its module."""
