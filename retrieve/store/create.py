"""Makes the folder of an empty index, generation 0, which names no segments; and takes it away if it stays empty.

What is wrong with a recipe is found here, not when the first segment is sealed an hour later.
"""

from __future__ import annotations

from pathlib import Path

from retrieve.errors import IndexExists, IndexLocked
from retrieve.files import remove_folder, sync_folder, write_file, writer_lock
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.record import EncoderRecord
from retrieve.store.crew import wait_for_orphans
from retrieve.store.manifest import MANIFEST, Manifest, read_manifest
from retrieve.store.pending import PENDING
from retrieve.store.place import check_makeable
from retrieve.store.stemmer import stemmer_record
from retrieve.views.registry import views_of

_LOCK = "lock"
_INTERRUPTED = frozenset({_LOCK, f".{MANIFEST}.new"})  # what a creation that was killed may have left


def create_index(folder: Path, passage_encoder: PassageEncoder, *, force: bool = False) -> None:
    """Write the first manifest.

    An index to which nothing was committed yet, built by the same recipe and encoder, is kept, so that its build can
    go on; search defaults and the encoder's place are taken from the new recipe. Anything else in the way is
    `IndexExists`. `force` deletes an index, never another kind of folder. `IndexLocked` while there is a writer.
    Raises `RecipeError` for a language or a FAISS factory string that does not exist, for a factory that cannot do what
    searches ask of it, and for search defaults that do not go with the head of the model; nothing is touched then.
    """
    check_makeable(folder)
    recipe = passage_encoder.recipe
    _ = passage_encoder.analyzer  # refuses an unknown language
    record = passage_encoder.encoder_record()
    check_encoding(passage_encoder, record)
    manifest = Manifest(
        recipe=recipe.model_dump(mode="json", exclude_none=True),
        recipe_digest=recipe.digest,
        encoder=record,
        stemmer=stemmer_record(passage_encoder),
    )
    manifest.resolved_recipe()  # search defaults and the numbers of a model's head are seen together only here
    if (folder / MANIFEST).exists() and force:
        with writer_lock(folder / _LOCK):
            wait_for_orphans(folder)
            remove_folder(folder)
    if folder.exists() and not folder.is_dir():
        raise IndexExists(f"{folder} is a file: choose another place")
    folder.mkdir(parents=True, exist_ok=True)
    sync_folder(folder.parent)
    if not (folder / MANIFEST).exists() and {path.name for path in folder.iterdir()} - _INTERRUPTED:
        raise IndexExists(f"{folder} exists and is no index: choose another place")
    with writer_lock(folder / _LOCK):
        if (folder / MANIFEST).exists() and not _continues(read_manifest(folder), manifest):
            raise IndexExists(
                f"{folder} is an index already: add to it, choose another place, or use --force"
            )
        write_file(folder / MANIFEST, manifest.encode())


def remove_unfilled(folder: Path) -> None:
    """Remove an index to which nothing was committed and for which no segment was sealed, unless a writer has it."""
    try:
        with writer_lock(folder / _LOCK):
            if read_manifest(folder).generation == 0 and not (folder / PENDING).exists():
                remove_folder(folder)
    except IndexLocked:
        return


def check_encoding(passage_encoder: PassageEncoder, record: EncoderRecord | None) -> None:
    """Raise `RecipeError` or `DimensionMismatch` for views that cannot be made of what this encoder gives."""
    if record is not None:
        for view in views_of(passage_encoder.recipe).values():
            view.check(passage_encoder, record.dimensions)
    passage_encoder.check_head()


def _continues(found: Manifest, wanted: Manifest) -> bool:
    encoders = [None if item.encoder is None else item.encoder.fingerprint for item in (found, wanted)]
    return (
        found.generation == 0 and found.recipe_digest == wanted.recipe_digest and encoders[0] == encoders[1]
    )
