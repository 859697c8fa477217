"""What runs a model on this machine, found without loading torch: back end and precision, chosen or checked.

int8 under OpenVINO is several times faster than float32 where the processor multiplies bytes, and bfloat16 nearly as
fast with hardly a loss; a GPU is faster than both. What cannot be had is refused here, never replaced in silence.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from retrieve.errors import MissingExtra, RecipeError, UsageError

Backend = Literal["torch", "openvino"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]

# Instructions that multiply bytes, and those that multiply bfloat16, as Linux names them.
INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})


NOT_CONVERTIBLE = frozenset({"longformer"})
"""Architectures whose graphs OpenVINO makes for one length of text only: "auto" leaves them to torch."""


class Runtime(NamedTuple):
    """How a model is run. `backend` and `precision` are what vectors depend on."""

    backend: Backend
    precision: Precision

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


class Machine(NamedTuple):
    """What there is: installed packages, a GPU that torch can use, and kinds of numbers the processor multiplies."""

    openvino: bool
    nncf: bool
    gpu: bool
    int8: bool
    bf16: bool


@cache
def this_machine() -> Machine:
    """Looked at once; torch is loaded only where its build and a device file say that there may be a GPU."""
    flags = _processor_flags()
    return Machine(
        openvino=importlib.util.find_spec("openvino") is not None,
        nncf=importlib.util.find_spec("nncf") is not None,
        gpu=_has_gpu(),
        int8=bool(flags & INT8_FLAGS),
        bf16=bool(flags & BF16_FLAGS),
    )


def resolve_runtime(
    backend: str,
    precision: str,
    machine: Machine | None = None,
    *,
    architecture: str = "",
    device: str | None = None,
) -> Runtime:
    """Fill in "auto", and refuse what the machine cannot do. `architecture` is a config's `model_type`.

    `device` is a name of torch's ("cpu", "cuda:1", "mps"): one that is not the processor is computed on by torch.

    Raises `UsageError` for a name that does not exist, `MissingExtra` for packages that are not installed and
    `RecipeError` for a pair that does not go together here.
    """
    for name, value, known in (("backend", backend, Backend), ("precision", precision, Precision)):
        if value not in ("auto", *get_args(known)):
            raise UsageError(f"{name} is {value!r}: wanted one of auto, {', '.join(get_args(known))}")
    machine = this_machine() if machine is None else machine
    if device is not None:
        if not isinstance(device, str) or not device:
            raise UsageError(
                f'device is {device!r}: wanted a name of torch\'s, as "cpu" or "cuda:1", or None'
            )
        on_processor = device.partition(":")[0] == "cpu"
        machine = machine._replace(gpu=not on_processor)
        if not on_processor and backend == "openvino":
            raise RecipeError(
                f'backend "openvino" computes on the processor, device is {device!r}: leave one of them out'
            )
        if not on_processor:
            backend = "torch"
    if backend == "auto" and architecture in NOT_CONVERTIBLE:
        backend = "torch"
    if backend == "auto":
        backend = _best_backend(precision, machine)
    if precision == "auto":
        precision = _best_precision(backend, machine)
    if backend == "openvino" and not machine.openvino:
        raise MissingExtra("the encoder back end openvino", "openvino")
    if problem := _problem(backend, precision, machine):
        raise RecipeError(f"backend {backend!r} with precision {precision!r}: {problem}")
    return Runtime(cast(Backend, backend), cast(Precision, precision))


def _best_backend(precision: str, machine: Machine) -> str:
    if precision == "fp16" or (machine.gpu and precision != "int8"):
        return "torch"
    if precision == "int8" or (machine.openvino and (precision != "bf16" or machine.bf16)):
        return "openvino"
    return "torch"


def _best_precision(backend: str, machine: Machine) -> str:
    if backend == "torch":
        return "bf16" if machine.gpu else "fp32"
    if machine.int8 and machine.nncf:
        return "int8"
    return "bf16" if machine.bf16 else "fp32"


def _problem(backend: str, precision: str, machine: Machine) -> str:
    if backend == "torch" and precision == "int8":
        return 'torch does not run int8 here: wanted backend "openvino", or another precision'
    if precision == "fp16" and (backend == "openvino" or not machine.gpu):
        return "fp16 is for a GPU under torch: wanted bf16, int8 or fp32"
    if backend == "openvino" and precision == "bf16" and not machine.bf16:
        return "this processor has no bfloat16 instructions: wanted int8 or fp32"
    return ""


def made_by_intel() -> bool:
    """Whether the processor is Intel's, as Linux tells it: MKL uses others by half."""
    return "GenuineIntel" in _described("vendor_id")


def _processor_flags() -> frozenset[str]:
    """The processor's instruction sets by Linux's names."""
    return _described("flags", "features")


def _described(*names: str) -> frozenset[str]:
    """Words of the first line of a name that says what the processor is; none where there is no /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    found = (line.partition(":")[2] for line in lines if line.lower().startswith(names))
    return frozenset(next(found, "").split())


def _has_gpu() -> bool:
    try:
        if version("torch").endswith("+cpu"):
            return False
    except PackageNotFoundError:
        return False
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/kfd").exists():
        return False
    import torch

    return torch.cuda.is_available()
