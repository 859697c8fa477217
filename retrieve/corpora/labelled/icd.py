"""ICD codes as they are printed: MIMIC stores them without the dot, published label sets have it."""

from __future__ import annotations

from typing import Literal

Kind = Literal["diagnosis", "procedure"]


def with_dot(code: str, kind: Kind, version: int) -> str:
    """The code with its dot: after 3 characters of a diagnosis (4 of ICD-9's E codes), 2 of an ICD-9 procedure.

    ICD-10 procedures (PCS) have none, nor has a code that ends there: 4019 → 401.9, E8788 → E878.8, 3893 → 38.93,
    I10 → I10.
    """
    if kind == "procedure":
        place = 2 if version == 9 else len(code)
    else:
        place = 4 if version == 9 and code.startswith("E") else 3
    return f"{code[:place]}.{code[place:]}" if len(code) > place else code
