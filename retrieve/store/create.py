"""Makes the folder of an empty index, which names no segments; and takes it away if it stays empty.

It begins with generation 0, or, in the place of another index, with a generation that follows that one's: what readers
of the other still need stays, and no number means two things. What is wrong with a recipe is found here, not when the
first segment is sealed an hour later.
"""

from __future__ import annotations

from pathlib import Path

from retrieve.errors import FormatTooNew, IndexCorrupt, IndexExists, IndexLocked
from retrieve.files import has_readers, remove_folder, sync_folder, write_file, writer_lock
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.record import EncoderRecord
from retrieve.recipe import load_recipe
from retrieve.store.build_journal import PENDING, read_journal, remove_journal
from retrieve.store.build_workers import wait_for_orphans
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import MANIFEST, Manifest, older_generations, read_manifest, replace_manifest
from retrieve.store.paths import check_makeable
from retrieve.store.stemmer import stemmer_record
from retrieve.views.registry import views_of

_LOCK = "lock"
_INTERRUPTED = frozenset({_LOCK, f".{MANIFEST}.new"})  # what a creation that was killed may have left


def create_index(folder: Path, passage_encoder: PassageEncoder, *, force: bool = False) -> None:
    """Write the first manifest.

    An index to which nothing was committed yet, built by the same recipe and encoder, is kept, so that its build can
    go on; search defaults and the encoder's place are taken from the new recipe. Anything else in the way is
    `IndexExists`. `force` puts the empty index in the place of another one, never of another kind of folder; the files
    of that one go with the first commit, or when its last reader lets go. `IndexLocked` while there is a writer.
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
    # Search defaults and the numbers of a model's head are seen together only here.
    load_recipe(manifest.recipe)
    if folder.exists() and not folder.is_dir():
        raise IndexExists(f"{folder} is a file: choose another place")
    folder.mkdir(parents=True, exist_ok=True)
    sync_folder(folder.parent)
    if not (folder / MANIFEST).exists() and {path.name for path in folder.iterdir()} - _INTERRUPTED:
        raise IndexExists(f"{folder} exists and is no index: choose another place")
    with writer_lock(folder / _LOCK):
        wait_for_orphans(folder)
        if (folder / MANIFEST).exists():
            _take_place(folder, manifest, force=force)
        else:
            write_file(folder / MANIFEST, manifest.encode())


def _take_place(folder: Path, manifest: Manifest, *, force: bool) -> None:
    try:
        found = read_manifest(folder)
    except (IndexCorrupt, FormatTooNew):
        if not force:
            raise
        _take_place_of_unreadable(folder, manifest)
        return
    if not force and not _continues(found, manifest):
        raise IndexExists(f"{folder} is an index already: add to it, choose another place, or use --force")
    if found.filled:
        ours = manifest.model_copy(update={"generation": found.generation + 1, "replaced": found.generation})
        replace_manifest(folder, ours)
        return
    ours = manifest.model_copy(update={"generation": found.generation, "replaced": found.replaced})
    write_file(folder / MANIFEST, ours.encode())


def _take_place_of_unreadable(folder: Path, manifest: Manifest) -> None:
    """Nothing says which files the readers of such an index need, so there must not be any."""
    readers = [path for path in (folder / "readers").glob("*") if has_readers(path)]
    if readers:
        raise IndexLocked(
            f"{folder} cannot be replaced: its manifest cannot be read, and somebody is reading the index "
            f"({', '.join(sorted(path.name for path in readers))}): close it there and try again"
        )
    write_file(folder / MANIFEST, manifest.encode())
    for generation in older_generations(folder, manifest.generation):
        (folder / f"manifest.{generation}.json").unlink()
    remove_journal(folder)
    remove_garbage(folder, None)


def remove_unfilled(folder: Path) -> None:
    """Take away an index to which nothing was committed, unless a writer has it.

    What it replaced stands again, as the generation that follows. Sealed segments are kept for a build that goes on.
    """
    try:
        with writer_lock(folder / _LOCK):
            manifest = read_manifest(folder)
            if manifest.filled:
                return
            if manifest.replaced is not None:
                replaced = read_manifest(folder, f"manifest.{manifest.replaced}.json")
                restored = replaced.model_copy(update={"generation": manifest.generation + 1})
                write_file(folder / MANIFEST, restored.encode())
                remove_garbage(folder, read_journal(folder))
            elif not (folder / PENDING).exists():
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
    return not found.filled and found.recipe_digest == wanted.recipe_digest and encoders[0] == encoders[1]
