"""The manifest names everything that is live in one generation of an index; replacing it is the commit.

It is one JSON object whose last key is the checksum of everything before it, so a torn or edited manifest is
noticed before anything it says is believed. It holds no time, host or path: the same build gives the same bytes.
"""

from __future__ import annotations

import errno
import json
import operator
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)

from retrieve.errors import FormatTooNew, FormatTooOld, IndexCorrupt, IndexNotFound, RecipeError, did_you_mean
from retrieve.files import checksum_bytes, with_remedy, write_file
from retrieve.passages.record import EncoderRecord
from retrieve.recipe import FIRST_RULES, Recipe, canonical, load_recipe

FORMAT = 2
MANIFEST = "manifest.json"
_CHECKSUM = ',"checksum":"'


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Record):
    """Size in bytes and XXH3-128 of one file; of a file of arrays, that of their directory, which has theirs."""

    size: int
    checksum: str

    def __eq__(
        self, other: object
    ) -> bool:  # pydantic's takes ten times as long, and a manifest has hundreds of these
        return isinstance(other, FileEntry) and self.checksum == other.checksum and self.size == other.size

    def __hash__(self) -> int:
        return hash((self.size, self.checksum))


class Totals(_Record):
    """What a set of documents adds up to. `length` counts analysed terms, `units` what the splitter counts.

    `termed` counts passages that have a term of the BM25 view; None where an older version did not count them.
    `expanded` counts documents with an expansion, and is written where there are any: a version that would lose them
    does not know the key, and refuses the index.
    """

    documents: int = 0
    empty: int = 0
    passages: int = 0
    termed: int | None = None
    length: int = 0
    units: int = 0
    indexed: int = 0
    truncated: int = 0
    expanded: int = 0

    def plus(self, other: Totals) -> Totals:
        """The sum, field by field."""
        return self._joined(other, operator.add)

    def minus(self, other: Totals) -> Totals:
        """The difference, field by field."""
        return self._joined(other, operator.sub)

    def _joined(self, other: Totals, join: Callable[[int, int], int]) -> Totals:
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in Totals.model_fields}
        return Totals.model_validate(
            {name: None if None in pair else join(*pair) for name, pair in pairs.items()}
        )

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, int]:
        values: dict[str, int] = handler(self)
        if self.termed is None:  # an older version's totals are written as it wrote them
            del values["termed"]
        if not self.expanded:
            del values["expanded"]
        return values


class Deletions(_Record):
    """Deleted rows of one segment: files in `deletions/<generation>/`, and what they add up to."""

    generation: int
    totals: Totals
    files: dict[str, FileEntry]


class SegmentEntry(_Record):
    """One live segment: everything it holds (`totals`, deleted rows included) and every file of it."""

    id: str
    totals: Totals
    trained: str | None = None
    files: dict[str, FileEntry]
    deletions: Deletions | None = None

    @property
    def live(self) -> Totals:
        """Totals without the deleted rows."""
        return self.totals if self.deletions is None else self.totals.minus(self.deletions.totals)


class Trained(_Record):
    """What was learned from a sample of so many passages: files in `trained/<digest>/`, `factory` of a FAISS index."""

    digest: str
    factory: str
    sample: int
    files: dict[str, FileEntry]

    @property
    def borrowed(self) -> bool:
        """Whether it was not learned of this index's passages, which were too few."""
        return self.sample == 0


class StemmerRecord(_Record):
    """Which stemmer made the terms of the BM25 view: its fingerprint, by which it is known, and PyStemmer's release
    line ("3.1"), by which a person finds it again.
    """

    release: str
    stems: str


class Tuned(_Record):
    """How the search defaults were chosen: the measure's mean gain on held-out queries, so many, with its interval.

    `before`: the section `search` of the recipe as it was before the first tuning.
    """

    measure: str
    queries: int
    gain: float
    low: float
    high: float
    before: dict[str, Any]


class Manifest(_Record):
    """One generation of an index.

    `stemmer` is None where no stemmer had a part in it, and in indexes of versions that did not keep it. `replaced` is
    the generation of another index whose place this one took, as long as nothing was committed to it.
    """

    format: int = FORMAT
    generation: int = 0
    recipe: dict[str, Any]
    recipe_digest: str
    encoder: EncoderRecord | None = None
    stemmer: StemmerRecord | None = None
    replaced: int | None = None
    tuned: Tuned | None = None
    trained: tuple[Trained, ...] = ()
    segments: tuple[SegmentEntry, ...] = ()

    @field_validator("recipe")
    @classmethod
    def _with_rules(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        """The recipe, which names its rules of analysis also where it is older than their name."""
        section = recipe.get("bm25")
        return {**recipe, "bm25": {"rules": FIRST_RULES, **section}} if section else recipe

    @property
    def filled(self) -> bool:
        """Whether anything was committed."""
        return self.generation > 0 and self.replaced is None

    @property
    def totals(self) -> Totals:
        """Live totals over all segments."""
        total = Totals(termed=0)
        for segment in self.segments:
            total = total.plus(segment.live)
        return total

    def resolved_recipe(self) -> Recipe:
        """The recipe the index was created with.

        Raises `FormatTooNew` for one that is none here: the manifest is sealed, so that nobody mistyped it.
        """
        try:
            return _recipe(canonical(self.recipe))
        except RecipeError as error:
            raise FormatTooNew(
                f"the index's recipe cannot be one of this version ({error}): a newer one wrote it, upgrade "
                "retrieve-engine; or it has a view of somebody's own, which has to be registered first"
            ) from error

    def encode(self) -> bytes:
        """The file's bytes, checksum last."""
        values = self.model_dump(mode="json")
        for key in ("stemmer", "replaced", "tuned"):  # an index without one is as every version wrote it
            if values[key] is None:
                del values[key]
        return seal_object(values)


@lru_cache(maxsize=8)
def _recipe(values: bytes) -> Recipe:
    return load_recipe(json.loads(values))


def seal_object(values: dict[str, Any]) -> bytes:
    """A JSON object as a file's bytes, its last key the checksum of what comes before."""
    body = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return f'{body[:-1]}{_CHECKSUM}{checksum_bytes(body.encode())}"}}\n'.encode()


def unseal_object(text: str) -> dict[str, Any] | None:
    """The object without its checksum; None where that does not hold."""
    body, found, rest = text.rstrip("\n").rpartition(_CHECKSUM)
    if not found or rest != checksum_bytes(f"{body}}}".encode()) + '"}':
        return None
    values: dict[str, Any] = json.loads(f"{body}}}")
    return values


def read_manifest(folder: Path, name: str = MANIFEST) -> Manifest:
    """Read and check a manifest.

    Raises `IndexNotFound`, `FormatTooNew` (naming both versions, or what is unknown) or `IndexCorrupt`.
    """
    return parse_manifest(folder / name, manifest_bytes(folder, name))


def _near(folder: Path) -> str:
    """The indexes beside where one was looked for, here or at home, that are called much as it is."""
    beside = {path.parent for place in (folder.parent, Path()) for path in place.glob(f"*/{MANIFEST}")}
    return did_you_mean(folder.name, sorted(path.name for path in beside))


def manifest_bytes(folder: Path, name: str = MANIFEST) -> bytes:
    """The content of a manifest, unchecked. Raises `IndexNotFound`, or `IndexCorrupt` where there are segments."""
    path = folder / name
    try:
        with with_remedy():
            return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if name == MANIFEST and (folder / "segments").is_dir():
            raise IndexCorrupt(
                f"{path} is missing beside its segments: restore the index from a copy"
            ) from error
        from retrieve.index.lucene_folder import is_lucene

        if is_lucene(folder):
            raise IndexNotFound(
                f"no index of ours at {folder}, but one of Lucene's: search it as lucene:{folder}"
            ) from error
        raise IndexNotFound(
            f"no index at {folder}{_near(folder)}: {name} is missing; make one with `retrieve index create`"
        ) from error
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ELOOP, errno.EIO):
            raise
        raise IndexCorrupt(
            f"{path} cannot be read ({error.strerror}): restore the index from a copy"
        ) from error


@lru_cache(maxsize=2)
def parse_manifest(path: Path, data: bytes) -> Manifest:
    """A manifest from the bytes of a file, named in errors. Cached, as a commit asks for the same one many times."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise IndexCorrupt(f"{path} is not UTF-8: restore it from a copy") from error
    values = unseal_object(text)
    if values is None:
        _refuse_newer(path, text)
        raise IndexCorrupt(
            f"{path} fails its own checksum: restore the index from a copy, or build it again "
            "(the manifest.N.json beside it are older; files that only they name may be gone)"
        )
    _refuse_newer(path, text)
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        unknown = [
            ".".join(map(str, item["loc"])) for item in error.errors() if item["type"] == "extra_forbidden"
        ]
        if len(unknown) == error.error_count():  # sealed by its checksum: nobody but a newer version wrote it
            raise FormatTooNew(
                f"{path} says {', '.join(unknown)}, which this version does not know: upgrade retrieve-engine"
            ) from error
        raise IndexCorrupt(f"{path} has unexpected content: {error}") from error


def check_current(folder: Path, manifest: Manifest) -> None:
    """Raise `FormatTooOld` for an index of an older format, which is read as it is and not written."""
    if manifest.format < FORMAT:
        raise FormatTooOld(
            f"{folder} has format {manifest.format}, which is read but not written; this version writes {FORMAT}: "
            "run `retrieve index upgrade` on it first, which encodes nothing"
        )


def older_generations(folder: Path, current: int) -> list[int]:
    """Generations whose manifest is still there, newest first.

    A commit that was killed may have kept a copy of the current manifest already.
    """
    numbers = (path.name.split(".")[1] for path in folder.glob("manifest.*.json"))
    return sorted(
        (int(number) for number in numbers if number.isdecimal() and int(number) != current), reverse=True
    )


def _refuse_newer(path: Path, text: str) -> None:
    """A manifest from the future may be shaped and checked in ways unknown here: its version is looked at first."""
    try:
        values = json.loads(text)
    except ValueError:
        return
    version = values.get("format") if isinstance(values, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise FormatTooNew(
            f"{path} has format {version}, this version reads up to {FORMAT}: upgrade retrieve-engine"
        )


def replace_manifest(folder: Path, manifest: Manifest) -> None:
    """The commit: keep the old manifest under its number, rename the new one into place."""
    data = manifest_bytes(folder)
    old = parse_manifest(folder / MANIFEST, data)
    write_file(folder / f"manifest.{old.generation}.json", data)
    write_file(folder / MANIFEST, manifest.encode())
