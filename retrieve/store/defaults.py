"""Search defaults of an index: the section `search` of its recipe, which no byte of a segment depends on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieve.errors import UsageError
from retrieve.files import writer_lock
from retrieve.recipe import load_recipe
from retrieve.store.build_journal import read_journal
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import Manifest, Tuned, check_current, read_manifest, replace_manifest


def keep_defaults(folder: Path, search: Mapping[str, Any], tuned: Tuned) -> int:
    """Make these the defaults, in a new generation, whose number is returned; the first ones are kept for a reset.

    Raises `RecipeError` for a section that the recipe cannot have, `IndexLocked` while a writer is at work.
    """
    with writer_lock(folder / "lock"):
        manifest = read_manifest(folder)
        first = (
            tuned if manifest.tuned is None else tuned.model_copy(update={"before": manifest.tuned.before})
        )
        return _replace(folder, manifest, search, first)


def reset_defaults(folder: Path) -> int:
    """Make the defaults what they were before any tuning, in a new generation, whose number is returned.

    Raises `UsageError` where nothing was tuned, `IndexLocked` while a writer is at work.
    """
    with writer_lock(folder / "lock"):
        manifest = read_manifest(folder)
        if manifest.tuned is None:
            raise UsageError(f"the search defaults of {folder} were never tuned: there is nothing to reset")
        return _replace(folder, manifest, manifest.tuned.before, None)


def _replace(folder: Path, manifest: Manifest, search: Mapping[str, Any], tuned: Tuned | None) -> int:
    check_current(folder, manifest)
    recipe = load_recipe({**manifest.recipe, "search": dict(search)})
    assert recipe.digest == manifest.recipe_digest
    changed = {
        "generation": manifest.generation + 1,
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "tuned": tuned,
        "replaced": None,
    }
    replace_manifest(folder, manifest.model_copy(update=changed))
    remove_garbage(folder, read_journal(folder))
    return manifest.generation + 1
