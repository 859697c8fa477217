"""The compiled core: arrays in, arrays out, in C++ for the instruction set of this processor.

A kernel takes numpy arrays of exactly one type, C-contiguous, and lets go of the interpreter's lock; it checks no
bounds, so what comes from a file is checked before (`retrieve.index.arrays`). The stub beside this file says what each
is given. `$RETRIEVE_CPU` (`baseline`, `avx2`, `avx512`) asks for another form, to compare them.
"""

from __future__ import annotations

import os
from importlib import import_module

_FORMS = ("baseline", "avx2", "avx512")


def _choose() -> str:
    """The form that is loaded: what this processor can do, or less where that is asked for."""
    able: str = import_module("retrieve._core._cpu").level()
    asked = os.environ.get("RETRIEVE_CPU", able)
    if asked not in _FORMS[: _FORMS.index(able) + 1]:
        raise ImportError(
            f"RETRIEVE_CPU={asked}: this processor runs {', '.join(_FORMS[: _FORMS.index(able) + 1])}"
        )
    return asked


form = _choose()
_module = import_module(f"retrieve._core._{form}")
globals().update({name: value for name, value in vars(_module).items() if not name.startswith("_")})
