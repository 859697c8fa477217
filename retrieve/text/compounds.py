"""German compounds taken apart: Donau, Dampf and Schiff of a Donaudampfschiff.

Koehn and Knight, "Empirical methods for compound splitting" (EACL 2003): of all ways to read a word as known words
with linking letters between them, the one whose parts are most frequent, by the geometric mean, is taken. Known are the
words that occur once in a million by the lists of the package wordfreq. Unlike there the frequency of the whole does
not count: it is a term in any case. What is an ending or a prefix is no part, which keeps derived words whole.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from functools import cache

from retrieve.errors import MissingExtra
from retrieve.files import checksum_bytes

_MOST_PARTS = 6
_LEAST = 4  # letters of a part
_LINKS = ("s", "es", "n", "en", "er", "e", "ens", "ns")
_LOST = ("e", "en")  # what a part may have lost: Schulbuch, Schreibtisch
_FURTHER = 1.0  # a part with letters that were added or lost counts as one of a tenth of its frequency
_THREE_LETTERS = """
abt akt amt arm art ast axt bad bau bus eis erb gas gut hof hut kur lob mut not ohr ort pol rad rat ruf see tag tal
tee ton tor typ uhr weg zug
"""
_WHOLE_ENDINGS = """
schaft schaften heit heiten keit keiten igkeit igkeiten ungen ling linge lingen chen lein ismus ieren ierung ierungen
tion tionen ität täten tums tümer tümern weise same samen
"""
_INFLECTED = "lich isch bar sam los voll haft mässig fach ell iert"
_BEFORE = """
ab an auf aus bei dar durch ein ent er fort ge gegen gemein gleich her heraus herein hervor hin hinaus hinein hinter
hinzu inter los miss mit nach neben nicht nieder ober ohne selb trans über um un unter ver viel voll vor voran voraus
vorbei vorher weg weiter wenig wider wieder wohl zer zu zurück zusammen zwischen
"""
_SHORT = frozenset(_THREE_LETTERS.split())
_ENDINGS = frozenset(_WHOLE_ENDINGS.split()) | {
    ending + inflection
    for ending in _INFLECTED.split()
    for inflection in ("", "e", "em", "en", "er", "es", "keit")
}
_PREFIXES = frozenset(_BEFORE.split())


class Compounds:
    """What takes words apart, by how often each known word occurs, as a share of all. Safe in many threads."""

    def __init__(self, frequencies: Mapping[str, float]) -> None:
        self._logs = {
            word: math.log10(share)
            for word, share in frequencies.items()
            if word.isalpha() and (len(word) >= _LEAST or word in _SHORT) and word not in _ENDINGS
        }
        self._longest = max(map(len, self._logs), default=0) + max(map(len, _LINKS))

    def parts(self, word: str) -> tuple[str, ...]:
        """The parts of a word in small letters, ß being ss, in order and as known words; none of one that is whole."""
        if not word.isalpha():
            return ()
        # At each letter and for each number of parts: the best that end there.
        best: list[dict[int, tuple[float, tuple[str, ...]]]] = [{} for _ in range(len(word) + 1)]
        best[0][0] = (0.0, ())
        for start, behind in enumerate(best):
            if not behind:
                continue
            for end in range(start + 3, min(len(word), start + self._longest) + 1):
                found = (
                    self._part(word[start:end], last=end == len(word)) if end - start < len(word) else None
                )
                if found is None:
                    continue
                log, part = found
                for count, (total, parts) in behind.items():
                    made = (total + log, (*parts, part))
                    if count < _MOST_PARTS and made > best[end].get(count + 1, (-math.inf,)):
                        best[end][count + 1] = made
        read = [(total / count, parts) for count, (total, parts) in best[-1].items() if count > 1]
        return max(read)[1] if read else ()

    def _part(self, letters: str, *, last: bool) -> tuple[float, str] | None:
        """The known word that stands there, and the logarithm of its frequency; None where there is none."""
        if not last and letters in _PREFIXES:
            return None
        found = [(self._logs[letters], letters)] if letters in self._logs else []
        if not last:
            others = [
                letters[: -len(link)]
                for link in _LINKS
                if letters.endswith(link) and letters[: -len(link)] not in _PREFIXES
            ]
            others += [letters + lost for lost in _LOST if len(letters) > _LEAST]
            found += [(self._logs[word] - _FURTHER, word) for word in others if word in self._logs]
        return max(found, default=None)


def check_installed() -> None:
    """Raise `MissingExtra` where the word list is not there."""
    if importlib.util.find_spec("wordfreq") is None:
        raise MissingExtra("bm25.compounds = true", "compounds")


@cache
def german_compounds() -> Compounds:
    """By wordfreq's list, which is read once. Raises `MissingExtra`."""
    return Compounds(_frequencies())


@cache
def words_fingerprint() -> str:
    """A digest of the word list: under another one compounds have other parts."""
    known = sorted(_frequencies().items())
    return checksum_bytes("\n".join(f"{word} {share:.6e}" for word, share in known).encode())


def _frequencies() -> Mapping[str, float]:
    check_installed()
    from wordfreq import get_frequency_dict

    frequencies: Mapping[str, float] = get_frequency_dict("de", wordlist="small")
    return frequencies
