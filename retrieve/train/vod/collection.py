"""The corpus as an index that follows the training: encoded anew by each checkpoint, its passages' keys staying.

Vectors of a training are of no use to anybody later, so they are kept out of this machine's vector cache, and torch
encodes them: converting new weights for another back end would take longer than it saves on corpora of this size.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from retrieve.api import Index
from retrieve.corpora.open import open_corpus
from retrieve.corpora.rows import some
from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.load import load_encoder
from retrieve.errors import InputError, RecipeError
from retrieve.files import remove_folder, replaced_folder
from retrieve.recipe import load_recipe
from retrieve.text.analyze import analyzer_of
from retrieve.text.splitter import with_title
from retrieve.train.vod.retriever import Retriever, Texts, digest_of
from retrieve.train.vod.settings import VodSettings
from retrieve.types import Progress, Question

_log = logging.getLogger("retrieve")


class Collection:
    """An index of the corpus under `folder`. `encoder`: the folder or name of the first checkpoint's document tower."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._texts: dict[int, str] = {}
        bm25 = index.recipe.bm25
        assert bm25 is not None
        self._analyzer = analyzer_of(bm25)

    def terms(self, text: str) -> Sequence[str]:
        """What BM25 makes of a text."""
        return self._analyzer.terms(text)

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: VodSettings,
        phi: Retriever,
        texts: Texts,
        *,
        progress: Progress | None = None,
    ) -> Collection:
        """Build the index by φ's document tower if it is not there.

        Raises `InputError` for an empty corpus, `RecipeError` for a recipe without the views bm25 and dense.
        """
        device = str(phi.queries.device)
        if (folder / "manifest.json").is_file():
            index = Index.open(folder, cache=False, device=device)
            if len(index):
                return cls(index)
            index.close()
        recipe = load_recipe(settings.index.recipe, settings.index.set)
        if not {"bm25", "dense"} <= set(recipe.views):
            raise RecipeError(
                f"index.recipe {settings.index.recipe!r} has the views {', '.join(recipe.views)}: wanted bm25 and dense"
            )
        corpus = open_corpus(settings.data.corpus)
        encoder = _encoder(_written(phi, texts, folder), phi)
        index = Index.create(folder, recipe, cache=False, encoder=encoder, device=device)
        index.add(corpus, progress=progress)
        if not index.info()["passages"]:
            index.close()
            raise InputError(settings.data.corpus, "has no passages: give a corpus with texts")
        return cls(index)

    def check_facts(self, questions: Iterable[Question]) -> None:
        """Say which facts that are to help are no documents of the corpus, as no search can find them."""
        wanted = {fact for question in questions for fact in question.facts}
        if lacking := sorted(wanted - set(self.index.ids()) if wanted else ()):
            _log.warning(
                "%d of %d facts that help are no documents of the corpus: %s",
                len(lacking),
                len(wanted),
                some(lacking),
            )

    def follow(self, phi: Retriever, texts: Texts, *, progress: Progress | None = None) -> None:
        """A new generation by the document tower of φ; nothing if the index is of that one already.

        The tower's folder stays beside the index, which loads it when it is first asked for.
        """
        place = _written(phi, texts, self.index.path)
        encoder = _encoder(place, phi)
        if encoder.fingerprint != self.index.fingerprint:
            self.index.reencode(encoder, progress=progress)
        for old in self.index.path.parent.glob("documents-*"):
            if old != place:
                remove_folder(old)

    def move(self, place: Path) -> None:
        """The index goes to another place and is closed."""
        folder = self.index.path
        self.index.close()
        shutil.move(folder, place)

    def texts(self, keys: Sequence[int]) -> list[str]:
        """The passages' texts, each with its title in front as it was encoded. They stay in memory once asked for."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._texts]
        if missing:
            title = self.index.recipe.passages.title
            passages = [
                passage for passage in self.index.passages_at(missing, layout=self.index.layout) if passage
            ]
            documents = self.index.get_many([passage.doc_id for passage in passages])
            for key, passage, document in zip(missing, passages, documents, strict=True):
                assert document is not None
                self._texts[key] = with_title(document, passage.text, passage.position, title=title)
        return [self._texts[key] for key in keys]

    def ids(self, keys: Sequence[int]) -> list[str]:
        """The ids of the passages' documents; "" for a key of −1."""
        passages = self.index.passages_at(list(keys), layout=self.index.layout)
        return ["" if passage is None else passage.doc_id for passage in passages]


def _written(phi: Retriever, texts: Texts, index: Path) -> Path:
    """φ's document tower as a folder beside the index, whole or not there."""
    place = index.with_name(f"documents-{digest_of(phi)}")
    if not place.is_dir():
        with replaced_folder(place) as building:
            phi.write(building, texts, documents=True)
    return place


def _encoder(folder: Path, phi: Retriever) -> Encoder:
    """A checkpoint's encoder, in torch and float32, without the vector cache."""
    return load_encoder(
        str(folder),
        normalize=phi.queries.normalize,
        backend="torch",
        precision="fp32",
        device=str(phi.queries.device),
    )
