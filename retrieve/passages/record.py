"""What is kept of an encoder beside what it made: who it was, and on what it ran."""

from __future__ import annotations

import platform

from pydantic import BaseModel, ConfigDict


class EncoderRecord(BaseModel):
    """Which encoder made the vectors, and on what: the conditions of a repetition to the byte.

    `dimensions` are those kept; `calibration` is the digest of the texts that an int8 model was calibrated on; `head`:
    whether the model's folder has a trained head for the codes of UHD.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    fingerprint: str
    dimensions: int
    limit: int
    backend: str = ""
    precision: str = ""
    calibration: str = ""
    head: bool = False
    environment: dict[str, str]


def library_versions() -> dict[str, str]:
    """Versions of what turns weights into vectors, and the machine's architecture."""
    from importlib.metadata import version

    names = ("torch", "transformers", "sentence-transformers", "tokenizers")
    return {name: version(name) for name in names} | {"machine": platform.machine()}
