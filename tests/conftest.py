"""Settings of the whole test suite."""

from __future__ import annotations

import os

# A look-up by name without a network takes a minute of retries; read when huggingface_hub is first imported.
os.environ["HF_HUB_OFFLINE"] = "1"
