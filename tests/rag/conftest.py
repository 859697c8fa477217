"""What tests of answers share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import tiny_encoder_folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder") / "model")
