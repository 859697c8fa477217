"""What a processor does with the bits of a word in one instruction, for the kernels that count and walk bitmaps.

They may stand apart from the kernels, whose compiled copies on disk are renewed with their own files alone: there is
nothing in them that could change.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def count_ones(_typing: Any, word: Any) -> Any:
    """How many bits of a uint64 are set: the processor's own instruction, in vectors where it has that."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@intrinsic
def lowest_one(_typing: Any, word: Any) -> Any:
    """Number of the lowest bit of a uint64 that is set: one instruction."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen
