"""What the stored structures share: taking named arrays back from a store, checked before any kernel sees them.

A compiled kernel does not check bounds, so a wrong type, shape or offset must stop here, as `IndexCorrupt` with the
array's name. What lies inside the arrays (sort order, row numbers) is guarded by the store's checksums.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from retrieve.errors import IndexCorrupt

Array: TypeAlias = npt.NDArray[Any]
Bools: TypeAlias = npt.NDArray[np.bool_]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Int64s: TypeAlias = npt.NDArray[np.int64]
UInt16s: TypeAlias = npt.NDArray[np.uint16]
UInt32s: TypeAlias = npt.NDArray[np.uint32]
Float32s: TypeAlias = npt.NDArray[np.float32]
Float64s: TypeAlias = npt.NDArray[np.float64]

_Scalar = TypeVar("_Scalar", bound=np.generic)


def frozen(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """A contiguous, read-only, plain view: memory maps and fresh arrays look the same, so kernels compile once."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def take_array(
    arrays: Mapping[str, Array], name: str, dtype: type[_Scalar], size: int | None = None
) -> npt.NDArray[_Scalar]:
    """The one-dimensional array `name`, frozen; raises IndexCorrupt if it is absent or of another type or size."""
    if name not in arrays:
        raise IndexCorrupt(f"array {name!r} is missing, found {sorted(arrays)}: restore it or build again")
    array = arrays[name]
    wanted = f"{np.dtype(dtype).name} ({'n' if size is None else size},)"
    if array.dtype != np.dtype(dtype) or array.ndim != 1 or (size is not None and len(array) != size):
        found = f"{array.dtype.name} {array.shape}"
        raise IndexCorrupt(f"array {name!r} is {found}, wanted {wanted}: restore it or build again")
    return frozen(array)


def check_offsets(offsets: Int64s, end: int, name: str) -> None:
    """Offsets must run from 0 to `end` without a step back; raises IndexCorrupt naming the array."""
    check_ends(offsets, end, name)
    if bool((offsets[1:] < offsets[:-1]).any()):
        raise IndexCorrupt(f"array {name!r} does not rise from 0 to {end}: restore it or build again")


def check_ends(offsets: Int64s, end: int, name: str) -> None:
    """The first and the last of them alone, where reading all would be reading much; raises as `check_offsets`."""
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != end:
        raise IndexCorrupt(f"array {name!r} does not rise from 0 to {end}: restore it or build again")
