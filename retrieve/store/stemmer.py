"""The stemmer of an index: kept at its creation, compared before BM25 is searched or written by another.

Snowball's algorithms change between releases of PyStemmer without an error: an index would no longer find the words
whose stems are others. Nothing is compared at opening, so that an index of which only vectors are searched opens.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from retrieve.errors import StemmerMismatch
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.manifest import Manifest, StemmerRecord
from retrieve.text.analyze import RULES, Analyzer
from retrieve.views.registry import views_of

_log = logging.getLogger("retrieve")
_told: set[Path] = set()  # indexes of former rules, named in this process
_warned: set[Path] = set()  # indexes that do not say which stemmer they have, warned of in this process


def stemmer_record(passage_encoder: PassageEncoder) -> StemmerRecord | None:
    """What a manifest keeps of the installed stemmer; None where BM25 has none, or there is no BM25."""
    analyzer = passage_encoder.analyzer
    if not _analyses(passage_encoder) or (stems := analyzer.stemmer) is None:
        return None
    return StemmerRecord(release=_release(analyzer), stems=stems)


def check_stemmer(folder: Path, manifest: Manifest, passage_encoder: PassageEncoder) -> None:
    """`check_analyzer` for a writer: an index without BM25 has terms of no stemmer."""
    if _analyses(passage_encoder):
        check_analyzer(folder, manifest, passage_encoder.analyzer)


def _analyses(passage_encoder: PassageEncoder) -> bool:
    """Whether any view is made of analysed terms."""
    return any(view.takes_terms for view in views_of(passage_encoder.recipe).values())


def check_analyzer(folder: Path, manifest: Manifest, analyzer: Analyzer) -> None:
    """Raise `StemmerMismatch` for another stemmer than built the index; warn once of an index that does not say.

    Say once that an index has terms by former rules.
    """
    if analyzer.rules != RULES and folder not in _told:
        _told.add(folder)
        _log.info(
            "%s has its terms by rules %d and goes on with them; for those of this version (rules %d) build it again",
            folder,
            analyzer.rules,
            RULES,
        )
    if analyzer.stemmer is None:
        return
    built = manifest.stemmer
    if built is None:
        if manifest.segments and folder not in _warned:
            _warned.add(folder)
            _log.warning(
                "%s does not say which stemmer built it (it is of an older version): words whose stems are others in "
                "%s would not be found; its next commit takes the stemmer at hand for its own, so if in "
                "doubt, build it again",
                folder,
                _packages(_release(analyzer)),
            )
    elif built.stems != analyzer.stemmer:
        raise StemmerMismatch(
            f"{folder} was built with the {analyzer.language} stemmer of {_packages(built.release)}, and that of "
            f"{_packages(_release(analyzer))}, which is installed, gives other stems, under which its words are not "
            f"found: pip install {_pinned(built.release)}, or build the index again"
        )


def _release(analyzer: Analyzer) -> str:
    """PyStemmer's release line, as in "3.1", and that of the word list, as in "3.1, wordfreq 3.1"."""
    return f"{_line('PyStemmer')}, wordfreq {_line('wordfreq')}" if analyzer.compounds else _line("PyStemmer")


@cache
def _line(package: str) -> str:
    """Within a release line the algorithms and words are the same."""
    from importlib.metadata import version

    return ".".join(version(package).split(".")[:2])


def _packages(release: str) -> str:
    return f"PyStemmer {release}"


def _pinned(release: str) -> str:
    packages = (package.split() for package in _packages(release).split(", "))
    return " ".join(f"'{name}=={line}.*'" for name, line in packages)
