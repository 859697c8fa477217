"""Back end and precision: what "auto" means on each kind of machine, and what is refused."""

from __future__ import annotations

import pytest

from retrieve.encoders.machine import Machine, resolve_runtime
from retrieve.errors import MissingExtra, RecipeError, UsageError

BARE = Machine(openvino=False, nncf=False, gpu=False, int8=True, bf16=True)
NEW = Machine(openvino=True, nncf=True, gpu=False, int8=True, bf16=True)
OLD = NEW._replace(int8=False, bf16=False)
GPU = NEW._replace(gpu=True)


@pytest.mark.parametrize(
    ("machine", "asked", "expected"),
    [
        (BARE, ("auto", "auto"), "torch fp32"),
        (NEW, ("auto", "auto"), "openvino int8"),
        (NEW._replace(nncf=False), ("auto", "auto"), "openvino bf16"),
        (OLD, ("auto", "auto"), "openvino fp32"),
        (GPU, ("auto", "auto"), "torch bf16"),
        (GPU, ("auto", "int8"), "openvino int8"),
        (GPU, ("auto", "fp16"), "torch fp16"),
        (NEW, ("auto", "fp32"), "openvino fp32"),
        (NEW, ("torch", "auto"), "torch fp32"),
        (NEW, ("torch", "bf16"), "torch bf16"),
        (OLD, ("auto", "bf16"), "torch bf16"),
    ],
)
def test_auto_is_the_best_there_is(machine: Machine, asked: tuple[str, str], expected: str) -> None:
    assert str(resolve_runtime(*asked, machine)) == expected


@pytest.mark.parametrize(
    ("machine", "asked", "words"),
    [
        (NEW, ("torch", "int8"), "torch does not run int8"),
        (NEW, ("openvino", "fp16"), "fp16 is for a GPU"),
        (NEW, ("torch", "fp16"), "fp16 is for a GPU"),
        (OLD, ("openvino", "bf16"), "no bfloat16"),
    ],
)
def test_what_cannot_be_is_refused(machine: Machine, asked: tuple[str, str], words: str) -> None:
    said = f"^backend '{asked[0]}' with precision '{asked[1]}': .*{words}"
    with pytest.raises(RecipeError, match=said):
        resolve_runtime(*asked, machine)


@pytest.mark.parametrize("asked", [("onnx", "fp32"), ("OpenVINO", "auto"), ("auto", "float32")])
def test_a_name_that_does_not_exist_is_refused(asked: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="wanted one of auto, "):
        resolve_runtime(*asked, NEW)


@pytest.mark.parametrize("asked", [("openvino", "auto"), ("auto", "int8")])
def test_openvino_that_is_not_installed_names_the_extra(asked: tuple[str, str]) -> None:
    with pytest.raises(MissingExtra, match=r"\.\[openvino\]"):
        resolve_runtime(*asked, BARE)
