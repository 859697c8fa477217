"""A trained model on disk: a folder of JSON and safetensors, nothing that runs when it is read.

It is written beside its place and renamed; an old folder is moved aside first and deleted last, so that a crash leaves
the old one or the new one whole. Its record has a checksum: a damaged folder is an error, never another prediction.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieve.errors import ModelCorrupt, ModelMismatch, UsageError
from retrieve.files import checksum_bytes, publish_folder, remove_folder
from retrieve.recipe import canonical


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A kind of model's folder: what it is called, the name of its record, and the newest format that is read."""

    what: str
    record: str
    format: int

    def check_place(self, folder: Path, *, force: bool) -> None:
        """Raise `UsageError` where no model can be saved: the place is taken, by something else than such a model with
        `force`, or no folder can be made there. Made to be asked before a training.
        """
        if folder.exists():
            if not force:
                raise UsageError(
                    f"{folder} is there already: choose another place, or replace the {self.what} there with force"
                )
            if not (folder / self.record).is_file():
                raise UsageError(
                    f"{folder} is there already and is no {self.what}'s folder: choose another place"
                )
        above = next(path for path in folder.absolute().parents if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise UsageError(
                f"{folder} cannot be made: {above} is no folder to write in; choose another place"
            )

    def write(
        self,
        folder: Path,
        record: Mapping[str, Any],
        fill: Callable[[Path], Mapping[str, Any]],
        *,
        force: bool,
    ) -> None:
        """Write a model, all or nothing; through a link, where it leads. Errors as of `check_place`.

        `fill` writes all other files into a folder, and gives what the record says of them.
        """
        self.check_place(folder, force=force)
        folder = folder.resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            building.chmod(0o777 & ~_umask())
            whole = {"format": self.format, **record, **fill(building)}
            whole["checksum"] = checksum_bytes(canonical(whole))
            text = json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)
            (building / self.record).write_text(text, encoding="utf-8")
            self._publish(building, folder)
        except BaseException:
            remove_folder(building)
            raise

    def _publish(self, building: Path, folder: Path) -> None:
        """Give the finished folder its name; what had it is deleted when the new one is there."""
        aside = building.with_name(f"{building.name}-old")
        try:
            if folder.exists():
                folder.rename(aside)
            publish_folder(building, folder)
        except OSError as error:
            if aside.exists() and not folder.exists():
                aside.rename(folder)
            elif error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            else:
                remove_folder(aside)
                raise UsageError(
                    f"{folder} was written by another process meanwhile: theirs is kept; save elsewhere, or again"
                ) from error
            raise
        remove_folder(aside)

    def read(self, folder: Path) -> dict[str, Any]:
        """What a folder says of its model. Raises `UsageError` where there is none, `ModelMismatch` for a newer format,
        `ModelCorrupt` for a damaged record.
        """
        path = folder / self.record
        if not path.is_file():
            raise UsageError(f"{folder} is no {self.what}'s folder: there is no {self.record} in it")
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found = record.pop("checksum")
            if record.get("format", 0) > self.format:
                raise ModelMismatch(
                    f"{folder} is of format {record['format']}, this version reads up to {self.format}: update it"
                )
            if found != checksum_bytes(canonical(record)):
                raise ValueError("its checksum is another one")  # noqa: TRY301
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ModelCorrupt(
                f"{path} is damaged ({error}): train again, or restore it from a copy"
            ) from error
        return record


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found
