"""The texts that int8 models are calibrated on, and how they are tokenized for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources

from retrieve.encoders.tokens import TokenRow

Tokenize = Callable[[Sequence[str]], list[TokenRow]]


def calibration_texts() -> list[str]:
    """The fixed sample that int8 models are calibrated on: questions, sentences and paragraphs of many fields."""
    sample = resources.files("retrieve.encoders").joinpath("calibration.txt")
    return sample.read_text(encoding="utf-8").splitlines()
