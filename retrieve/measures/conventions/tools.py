"""The tools, each with the version that its conventions were read from and tested against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from retrieve.errors import UsageError
from retrieve.measures.conventions.records import OURS, Conventions


class Tool(NamedTuple):
    """`measures`: name without arguments → conventions. `cutoff`: it has them only at a cut-off; `whole`: names that it
    has only without one; `levels`: a relevance level can be given. `remark`: what is not imitated.
    """

    version: str
    measures: Mapping[str, Conventions]
    cutoff: bool = False
    whole: tuple[str, ...] = ()
    levels: bool = True
    remark: str = ""


_RANKED = ("AP", "RR", "P", "R")
_PLAIN = ("nDCG", *_RANKED, "Success")
_IN_TORCH = Conventions(queries="with hits", known="ranked")
_IN_TRECTOOLS = Conventions(queries="of the run", order="descending", depth=1000)

TOOLS: Mapping[str, Tool] = {
    "gdeval": Tool(
        "1.3, as ir-measures 0.4.3 carries it",
        dict.fromkeys(
            ("nDCG", "ERR"),
            Conventions(
                topics="last part", queries="with hits and relevant", order="descending", gain="exponential"
            ),
        ),
        cutoff=True,
        levels=False,
        remark="gdeval prints five decimals",
    ),
    "ir-measures": Tool(
        "0.4.3", {**dict.fromkeys((*_PLAIN, "Rprec", "Bpref"), OURS), "RR@": OURS._replace(order="ascending")}
    ),
    "mteb": Tool(
        "2.26.24",
        {
            **dict.fromkeys(_PLAIN, Conventions(queries="with hits")),
            "RR": Conventions(queries="with hits", order="descending"),
        },
        cutoff=True,
        levels=False,
        remark="mteb rounds its means to five decimals, but that of RR, whose ties were the file's in earlier releases",
    ),
    "ranx": Tool(
        "0.3.21",
        {
            **dict.fromkeys((*_PLAIN, "Rprec"), Conventions(order="quicksort")),
            "Bpref": Conventions(order="quicksort", negative="non-relevant"),
        },
    ),
    "sentence-transformers": Tool(
        "6.2.0",
        dict.fromkeys(
            _PLAIN, Conventions(order="ascending", relevant="judged", gain="binary", divisor="capped")
        ),
        cutoff=True,
        levels=False,
    ),
    "sklearn": Tool(
        "1.9.1",
        {
            "nDCG": Conventions(queries="with hits", order="together", known="ranked"),
            "AP": Conventions(queries="with hits", order="together", known="ranked"),
        },
        whole=("AP",),
    ),
    "torchmetrics": Tool(
        "1.9.0",
        {
            "nDCG": _IN_TORCH._replace(order="together, single", gain="signed"),
            **dict.fromkeys(_RANKED, _IN_TORCH._replace(scores="positive", divisor="found")),
            **dict.fromkeys(("Success", "Rprec"), _IN_TORCH),
        },
        remark="torchmetrics computes in single precision, and takes ties in any order except in nDCG",
    ),
    "trec_eval": Tool(
        "9.0.8, as pytrec_eval-terrier 0.5.11 carries it; without -c",
        dict.fromkeys((*_PLAIN, "Rprec", "Bpref"), Conventions(queries="with hits")),
    ),
    "trectools": Tool(
        "0.0.50",
        {
            **dict.fromkeys(_RANKED, _IN_TRECTOOLS),
            "nDCG": _IN_TRECTOOLS._replace(order="ascending"),
        },
        levels=False,
        remark="trectools reads ids that look like numbers as numbers (001 as 1), which is not imitated",
    ),
}


def tool_named(name: str) -> Tool:
    """The tool; `UsageError` with all names where there is none."""
    if name not in TOOLS:
        raise UsageError(f"no conventions of {name!r} are known: choose one of {', '.join(TOOLS)}")
    return TOOLS[name]
