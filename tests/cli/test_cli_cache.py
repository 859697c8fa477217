"""The verbs of `retrieve cache`: what they print and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from retrieve.cli import main
from retrieve.vector_cache.cache import Space, VectorCache, keys_of
from retrieve.vector_cache.shards import shards_folder

SPACE = Space("abcdef0123456789", "torch", "fp32", 256, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(root: Path, *texts: str) -> None:
    numbers = np.ones(len(texts), dtype=np.int64)
    VectorCache.open(root, SPACE).add(
        keys_of(texts), np.ones((len(texts), 3), dtype=np.float16), numbers, numbers
    )


def call(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["cache", *arguments])
    assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
    return result


def answer(*arguments: str, status: int = 0) -> dict[str, Any]:
    value = json.loads(call(*arguments, "--json", status=status).stdout)
    assert isinstance(value, dict)
    return value


def test_a_cache_that_is_not_there_is_empty(cache: Path) -> None:
    assert answer("info") == {"cache": str(cache), "vectors": 0, "bytes": 0, "spaces": [], "token_states": []}
    assert answer("verify")["clean"]
    assert answer("prune", "--all")["shards"] == 0
    assert not cache.exists()


def test_info_is_a_table_with_a_row_for_each_space(cache: Path) -> None:
    fill(cache, "a", "b")
    shown = call("info")
    header, row = (line.split("\t") for line in shown.stdout.splitlines())
    cells = dict(zip(header, row, strict=True))
    wanted = {
        "fingerprint": "abcdef012345",
        "backend": "torch",
        "dimensions": "3",
        "vectors": "2",
        "shards": "1",
    }
    assert wanted.items() <= cells.items()
    assert shown.stderr.startswith("2 vectors, ")
    info = answer("info")
    assert info["vectors"] == 2
    assert info["spaces"][0]["fingerprint"] == SPACE.fingerprint
    assert cells["bytes"] == str(info["bytes"])


def test_verify_names_the_damage_and_prune_removes_it(cache: Path) -> None:
    fill(cache, "a")
    fill(cache, "b")
    assert call("verify").stdout == f"{cache}: clean\n"
    shard = next(shards_folder(cache, SPACE).iterdir())
    with (shard / "vectors.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    found = call("verify", status=1)
    assert found.stdout == f"{shard} fails its checksum\n"
    assert "1 problem in" in found.stderr
    assert answer("verify", status=1)["problems"] == [f"{shard} fails its checksum"]
    assert ": 1 shard (" in call("prune", "--damaged").stdout
    assert answer("verify")["clean"]


def test_prune_says_how_much_it_removed(cache: Path) -> None:
    fill(cache, "a")
    size = answer("info")["bytes"]
    fill(cache, "b")
    (shards_folder(cache, SPACE) / ".killed").mkdir()
    assert answer("prune", "--older-than", "1", "--max-size", "1.5K") == {
        "cache": str(cache),
        "shards": 1 if 2 * size > 1536 else 0,
        "bytes": size if 2 * size > 1536 else 0,
        "leftovers": 1,
        "shards_left": 1 if 2 * size > 1536 else 2,
        "bytes_left": size if 2 * size > 1536 else 2 * size,
    }
    assert answer("prune", "--encoder", "000")["shards"] == 0
    (shards_folder(cache, SPACE) / ".killed").mkdir()
    assert "and 1 leftover removed, 0 shards (0 bytes) left" in call("prune", "--encoder", "abc").stdout


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("0", 0), ("12", 12), ("1k", 1024), ("2M", 2 << 20), ("1.5G", 3 << 29), ("1T", 1 << 40)],
)
def test_sizes(text: str, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def pruned(root: Path, **options: Any) -> dict[str, int]:
        asked.update(options)
        return dict.fromkeys(("shards", "bytes", "leftovers", "shards_left", "bytes_left"), 0)

    monkeypatch.setattr("retrieve.vector_cache.upkeep.prune_cache", pruned)
    call("prune", "--max-size", text)
    assert asked["max_bytes"] == wanted


@pytest.mark.parametrize(
    "arguments", [[], ["--max-size", "2X"], ["--max-size", "-1"], ["--older-than", "-1"], ["--encoder", ""]]
)
def test_prune_refuses_what_can_never_work(cache: Path, arguments: list[str]) -> None:
    fill(cache, "a")
    call("prune", *arguments, status=2)
    assert answer("info")["vectors"] == 1


def test_help_of_the_group_lists_its_verbs() -> None:
    assert all(verb in call("--help").stdout for verb in ("info", "verify", "prune"))
