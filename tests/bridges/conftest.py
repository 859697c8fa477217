"""What the tests of bridges share: async tests of other people's suites, and an encoder of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import tiny_encoder_folder


def pytest_configure(config: pytest.Config) -> None:
    """Their async tests run under pytest-asyncio, which comes with their suite; as a setting in pyproject.toml it would
    be an unknown one where that is not installed.
    """
    if config.pluginmanager.hasplugin("asyncio"):
        config.option.asyncio_mode = "auto"


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder") / "model")
