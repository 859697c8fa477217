"""Settings of the whole test suite."""

from __future__ import annotations

import os

from hypothesis import settings

# A look-up by name without a network takes a minute of retries; read when huggingface_hub is first imported.
os.environ["HF_HUB_OFFLINE"] = "1"

# The suite is the same on every run; `--hypothesis-profile=default` looks for new examples.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")
