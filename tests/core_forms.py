"""The forms of the compiled core that this processor runs, each with all kernels."""

from __future__ import annotations

from importlib import import_module

from retrieve._core import _FORMS

_ABLE = import_module("retrieve._core._cpu").level()
CORES = [import_module(f"retrieve._core._{name}") for name in _FORMS[: _FORMS.index(_ABLE) + 1]]
