"""The inner product with a fixed order of additions, spelled out in LLVM vector instructions.

A compiler that may reorder sums gives a row another score where its loop is unrolled another way, and a BLAS where the
batch is another one. Here lane l of 32 adds the products l, l + 32, l + 64 …, nothing is fused, and the lanes are
folded in halves: a score depends on the two vectors alone, so duplicates tie and processors of any width agree.
Kernels that use one another share a file, because numba's cache on disk is renewed only when that file changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from retrieve.index.arrays import Array, Float32s, Int64s
from retrieve.kernels import kernel

LANES = 32

_FLOAT = ir.FloatType()
_HALF_BITS = ir.IntType(16)
_BYTE = ir.IntType(8)
_LANES_OF_FLOAT = ir.VectorType(_FLOAT, LANES)


@intrinsic
def dot(_typing: Any, vectors: Any, row: Any, queries: Any, query: Any) -> Any:
    """Inner product of vectors[row] and queries[query], float32; needs C-contiguous (N,D) and (B,D).

    `vectors` are float32, the bits of float16 as uint16 (numba has no half-precision arrays on the CPU), or int8;
    the narrow ones are widened exactly. `queries` are float32.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, dimensions = _row_pointer(context, builder, signature.args[0], args[0], args[1])
        right, _ = _row_pointer(context, builder, signature.args[2], args[2], args[3])
        lanes = ir.Constant(dimensions.type, LANES)
        zeros = ir.Constant(_LANES_OF_FLOAT, [0.0] * LANES)
        sums = cgutils.alloca_once_value(builder, zeros)  # type: ignore[no-untyped-call]
        blocks = builder.udiv(dimensions, lanes)
        with cgutils.for_range(builder, blocks) as loop:
            start = builder.mul(loop.index, lanes)
            products = builder.fmul(_load(builder, left, start, LANES), _load(builder, right, start, LANES))
            builder.store(builder.fadd(builder.load(sums), products), sums)
        folded = _fold(builder, builder.load(sums))
        total = cgutils.alloca_once_value(builder, folded)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, dimensions, start=builder.mul(blocks, lanes)) as loop:
            product = builder.fmul(_load(builder, left, loop.index), _load(builder, right, loop.index))
            builder.store(builder.fadd(builder.load(total), product), total)
        return builder.load(total)

    return types.float32(vectors, types.int64, queries, types.int64), codegen


def _row_pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> tuple[Any, Any]:
    """Where a row of a C-contiguous matrix begins, and how long it is."""
    matrix = context.make_array(array_type)(context, builder, array)
    dimensions = cgutils.unpack_tuple(builder, matrix.shape)[1]  # type: ignore[no-untyped-call]
    return builder.gep(matrix.data, [builder.mul(row, dimensions)]), dimensions


def _load(builder: Any, start: Any, index: Any, width: int | None = None) -> Any:
    """Numbers from an index on as a float32 vector of `width`, or one number as a float32. Any alignment will do."""
    found = start.type.pointee
    stored = ir.HalfType() if found == _HALF_BITS else found
    stored_type, wanted_type = (ir.VectorType(t, width) if width else t for t in (stored, _FLOAT))
    pointer = builder.bitcast(builder.gep(start, [index]), stored_type.as_pointer())
    value = builder.load(pointer, align=1)
    if found == _FLOAT:
        return value
    return builder.sitofp(value, wanted_type) if found == _BYTE else builder.fpext(value, wanted_type)


def _fold(builder: Any, lanes: Any) -> Any:
    """Sum of the lanes: the upper half is added to the lower half until one lane is left."""
    width = LANES
    while width > 1:
        width //= 2
        indices = ir.VectorType(ir.IntType(32), width)
        lower = builder.shuffle_vector(lanes, lanes, ir.Constant(indices, list(range(width))))
        upper = builder.shuffle_vector(lanes, lanes, ir.Constant(indices, list(range(width, 2 * width))))
        lanes = builder.fadd(lower, upper)
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))


@kernel
def dot_tiles(
    vectors: Array, scales: Float32s, queries: Float32s, first: int, end: int, tile: int, scores: Float32s
) -> None:
    """scores[query, row] for rows [first, end); every query passes over `tile` rows before the next rows are read.

    `scales` (N,), or empty for ones: a row's sum is multiplied by its scale.
    """
    for start in range(first, end, tile):
        for query in range(len(queries)):
            for row in range(start, min(start + tile, end)):
                scale = scales[row] if len(scales) else np.float32(1)
                scores[query, row] = dot(vectors, np.int64(row), queries, np.int64(query)) * scale  # type: ignore[call-arg]


@kernel
def dot_rows(vectors: Array, scales: Float32s, queries: Float32s, rows: Int64s, scores: Float32s) -> None:
    """scores[i] of the first query and vectors[rows[i]], scaled as in `dot_tiles`."""
    for i in range(len(rows)):
        scale = scales[rows[i]] if len(scales) else np.float32(1)
        scores[i] = dot(vectors, rows[i], queries, np.int64(0)) * scale  # type: ignore[call-arg]
