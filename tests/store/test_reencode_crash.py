"""Encoding anew, killed before every single change to the folder: the old generation or the new one, never a mixture.

Vectors come from a stand-in that hashes tokens: a forked child cannot use the parent's torch, and the disk is the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from store_crash import contents, die_at, in_child
from tiny_models import tiny_encoder_folder
from toy_index import corpus, make_index, toy_recipe

from retrieve import Index
from retrieve.encoders import load
from retrieve.encoders.batches import Padded
from retrieve.store.manifest import read_manifest


class Stand:
    """A back end that gives each text a vector of its tokens' numbers."""

    dimensions = 8
    batch_tokens = 512
    fills = False
    environment: Mapping[str, str] = {}

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        for batch in batches:
            made = [
                np.random.default_rng(row[mask > 0]).standard_normal(self.dimensions)
                for row, mask in zip(batch.ids, batch.mask, strict=True)
            ]
            yield np.array(made, np.float32)


@pytest.mark.long
def test_killed_before_every_single_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_backend", lambda *_: Stand())
    models = [str(tiny_encoder_folder(tmp_path / name, seed=seed)) for seed, name in enumerate("ab")]
    recipe = toy_recipe() | {"dense": {"model": models[0], "backend": "torch"}}
    folder, start = tmp_path / "i", tmp_path / "start"
    with make_index(start, corpus(30, seed=1)[0], None, recipe, commits=2) as index:
        index.delete(["3", "20"])
        lexical, layout = index.search("wing heat", using="bm25"), index.layout
    old = read_manifest(start)

    def reencode() -> None:
        with Index.open(folder, cache=False) as index:
            index.reencode(models[1])

    def begin_again() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)

    begin_again()
    assert not in_child(reencode)
    new, whole = read_manifest(folder), contents(folder)
    assert new.generation == old.generation + 1 and new.encoder != old.encoder

    def counts(event: str, path: str) -> bool:
        if event == "open":
            return path.endswith((".new", "arrays"))
        return event in ("os.rename", "os.rmdir", "os.mkdir") or (event == "os.remove" and path != "")

    ends: list[bool] = []
    while True:
        begin_again()
        if not in_child(reencode, prepare=partial(die_at, folder, len(ends) + 1, counts)):
            break
        found = read_manifest(folder)
        assert found in (old, new)
        ends.append(found == new)
        with Index.open(folder) as index:
            assert index.verify() == []
            assert index.search("wing heat", using="bm25") == lexical
            assert index.layout == layout
        if (
            found == old and len(ends) % 3 == 0
        ):  # again after some of the deaths: it takes as long as all the rest
            assert not in_child(reencode)
            assert _live(contents(folder), new) == _live(whole, new)
    assert ends == sorted(ends) and len(ends) > 10
    assert True in ends


def _live(files: dict[str, bytes], manifest: Any) -> dict[str, bytes]:
    """All files but those that only readers of older generations need."""
    names = {f"segments/{entry.id}/" for entry in manifest.segments}
    return {
        name: data
        for name, data in files.items()
        if not name.startswith("segments/") or any(name.startswith(part) for part in names)
    }
