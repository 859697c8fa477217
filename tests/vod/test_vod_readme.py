"""The page of trainings: its configuration of VOD is what it says: all keys are known, and have their defaults."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from retrieve.train.vod.settings import load_settings

PAGE = Path(__file__).parent.parent.parent / "retrieve" / "train" / "README.md"


def test_the_readme_shows_the_defaults() -> None:
    (block,) = re.findall(r"```toml\n(# science/vod.toml.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shown = load_settings(tomllib.loads(block)).model_dump()
    data = {"corpus": "corpus.jsonl", "questions": "questions"}
    assert shown == load_settings({"data": data}).model_dump()
    assert block.count(" = ") >= 13
