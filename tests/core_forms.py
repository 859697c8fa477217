"""The forms of the compiled core that this processor runs: what one of them computes, all compute."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

from retrieve._core import able_forms


def _core(form: str) -> Any:
    modules = [import_module(f"retrieve._core._{name}") for name in ("plain", form)]
    return SimpleNamespace(
        **{name: value for module in modules for name, value in vars(module).items()}, form=form
    )


FORMS: dict[str, Any] = {form: _core(form) for form in able_forms()}
"""From the name of an instruction set to all kernels, in its form where they have several."""
