"""Words and terms of random texts of all scripts against a slow reference: `python scripts/campaigns/words.py`.

The reference is one regular expression over the classes of the characters, where the core goes through the text once;
terms are made word by word, where an analyzer remembers them. A text that fails is printed with its number, which is
its seed; the exit status is 1 where any did.

Where Unicode's WordBreakTest.txt is at hand (Debian's package unicode-data), its lines are read too: words have to
stand between its boundaries, but for the exceptions that are printed with their numbers.
"""

from __future__ import annotations

import argparse
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import regex

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from character_classes import NAMES, class_of  # noqa: E402

from retrieve._core import word_spans  # noqa: E402
from retrieve.text.analyze import Analyzer  # noqa: E402

STANDARD = Path("/usr/share/unicode/auxiliary/WordBreakTest.txt")
LANGUAGES = ("none", "english", "turkish", "french", "german")
COMMON = " .,:;'’&_\"·-/()0123٣AbéT\u0301\u00ad\u200b\u200c\u200d\u2060\u202f\ufe0f\u20e3²⁶™🇫🇷👩\n"

# One letter for what a character is: its class, and Arabic, Hebrew and joining characters apart.
_LETTERS = {
    "LETTER": "L",
    "DIGIT": "D",
    "CONNECTOR": "C",
    "MARK": "m",
    "UNSPACED": "u",
    "EMOJI": "e",
    "SYMBOL": "s",
    "SUPERSCRIPT": "x",
    "BETWEEN_LETTERS": "b",
    "BETWEEN_DIGITS": "d",
    "BETWEEN_BOTH": "B",
    "AMPERSAND": "&",
    "PARTS": ".",
}
_ARABIC = regex.compile(r"[\u0600-\u06FF\u0750-\u077F\u08A0-\u08FF\uFB50-\uFDFF\uFE70-\uFEFC]")
_IN_ARABIC = {"L": "A", "D": "E", "d": "f"}
_OWN = {'"': "q", "\u200c": "z", "\u200d": "j"}
_FAMILY = {
    "letter": r"(?:[LH][mzj]*+|A[mj]*+(?!z))",
    "digit": r"(?:D[mzj]*+|E[mj]*+(?!z))",
}
# Behind a letter what leads to another one, and behind a digit.
_FAMILY["letters"] = _FAMILY["letter"] + r"(?:[bB][mzj]*+(?=[LAH])|(?<=H[mzj]*)q(?=H))?"
_FAMILY["digits"] = _FAMILY["digit"] + r"(?:[dB][mzj]*+(?=[DE])|f[mj]*+(?!z)(?=[DE]))?"
_FAMILY["ampersand"] = rf"(?:{_FAMILY['letters']}){{1,3}}+&(?=[LAH]{{1,3}}+(?![LAHDECmzj&]))"
_FAMILY["unit"] = rf"(?:{_FAMILY['letters']}|{_FAMILY['digits']}|C[mzj]*+)"
# A joiner that does not join ends a word behind an Arabic character.
_FAMILY["end"] = rf"(?:[AE][mj]*+(?=z)|{_FAMILY['digit']}f[mj]*+(?=z[mzj]*+[DE]))"
WORDS = regex.compile(
    rf"(?P<word>(?:{_FAMILY['ampersand']})?(?:{_FAMILY['unit']}*{_FAMILY['end']}|{_FAMILY['unit']}++))"
    r"|(?P<run>u[umzj]*+)"
    r"|(?P<emoji>r[mzj]*+(?:r[mzj]*+)?|e[mzj]*+(?:(?<=j)[er][mzj]*+)*+)"
    r"|(?P<symbol>s[mzj]*+)"
    r"|(?P<superscript>x[xmzj]*+)"
)


@cache
def letter_of(character: str) -> str:
    """The letter of what a character is."""
    if character in _OWN:
        return _OWN[character]
    letter = _LETTERS[NAMES[class_of(character)]]
    if "\u05d0" <= character <= "\u05ea":
        return "H"
    if "\U0001f1e6" <= character <= "\U0001f1ff":
        return "r"
    return _IN_ARABIC.get(letter, letter) if _ARABIC.match(character) else letter


def words_of(text: str) -> Iterator[tuple[int, int]]:
    """Where the words stand."""
    classes = "".join(map(letter_of, text))
    letter_end = -1
    for match in WORDS.finditer(classes):
        kind, found = match.lastgroup, regex.sub("[^LAHDEC]", "", match.group())
        if kind == "word":
            if found and found[-1] in "LAH":
                letter_end = match.end()
            if not found.strip("C"):
                continue
        if kind != "superscript" or match.start() != letter_end:
            yield match.span()


def texts(seeds: range) -> Iterator[tuple[int, str]]:
    """Random ones: of a few pages of Unicode each, with what joins and parts words in every script."""
    pages: dict[int, str] = {}
    for code in range(0x20000):
        if unicodedata.category(character := chr(code)) not in ("Cn", "Cs", "Co"):
            pages[code >> 7] = pages.get(code >> 7, "") + character
    for seed in seeds:
        rng = random.Random(seed)
        chosen = [*rng.sample(sorted(pages), rng.randint(1, 3))]
        yield (
            seed,
            "".join(
                rng.choice(COMMON if rng.random() < 0.4 else pages[rng.choice(chosen)])
                for _ in range(rng.randint(0, 60))
            ),
        )


def faults(text: str, analyzers: Mapping[str, Analyzer]) -> Iterator[str]:
    """What is wrong with the words and terms of a text."""
    wanted = [*words_of(text)]
    found = [(start, end) for start, end in word_spans(text)[0].reshape(-1, 2).tolist()]
    if found != wanted:
        yield f"words {[text[a:b] for a, b in found]}, wanted {[text[a:b] for a, b in wanted]}"
        return
    for language, analyzer in analyzers.items():
        slow = analyzer.word_forms()
        each = [slow.of(text[start:end]) for start, end in wanted]
        if analyzer.terms(text) != [term for forms in each for term in forms.indexed]:
            yield f"terms of {language}: {analyzer.terms(text)}"
        asked = [term for forms in each for term in forms.asked]
        if analyzer.asked(text) != asked or analyzer.counted(text) != Counter(asked):
            yield f"terms asked of {language}: {analyzer.asked(text)}"
        parts = [text[start:end] for start, end in analyzer.word_offsets(text).tolist()]
        if "".join(parts) != "".join(text[start:end] for start, end in wanted):
            yield f"places of {language}: {parts}"


def standard(path: Path) -> tuple[int, Counter[str]]:
    """The lines of WordBreakTest.txt, and how many have other words here, by reason."""
    lines, reasons = 0, Counter[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        marked = line.partition("#")[0].strip().strip("÷")
        if not marked:
            continue
        lines += 1
        parts = [
            "".join(chr(int(code, 16)) for code in part.replace("×", " ").split())
            for part in marked.split("÷")
        ]
        text = "".join(parts)
        wanted = [
            part for part in parts if regex.search(r"[\p{L}\p{N}\p{Extended_Pictographic}\p{RI}]", part)
        ]
        found = [text[start:end] for start, end in word_spans(text)[0].reshape(-1, 2).tolist()]
        if found != wanted:
            reasons[reason(text, wanted, found)] += 1
    return lines, reasons


def reason(text: str, wanted: list[str], found: list[str]) -> str:
    """Why a line has other words, as `indexes/README.md` tells it; else the line."""
    kinds = {NAMES[class_of(character)] for character in text}
    if any(regex.match(r"[\p{M}\p{Cf}]", part) for part in wanted) or any(
        regex.search(r"'[\p{M}\p{Cf}]*$", part) for part in wanted
    ):
        return "marks in front of a word, and a quote behind it, are no part of it"
    if ":" in text:
        return "a colon parts"
    if "UNSPACED" in kinds:
        return "scripts without spaces are words of their own"
    if regex.search(r"\p{L}\u200d\p{So}", text):
        return "a joiner ties no emoji to a letter"
    return f"{text!r}: {found}, wanted {wanted}"


def main() -> int:
    """Exit status: 1 if a text failed, or WordBreakTest has a line that no exception explains."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first text; the others follow it")
    parser.add_argument("--standard", type=Path, default=STANDARD, help="WordBreakTest.txt")
    asked = parser.parse_args()
    analyzers = {language: Analyzer(language) for language in LANGUAGES}
    failed = 0
    for seed, text in texts(range(asked.seed, asked.seed + asked.texts)):
        for fault in faults(text, analyzers):
            failed += 1
            print(f"text {seed}: {text!r}: {fault}")
    print(f"{asked.texts} texts, {failed} faults")
    if not asked.standard.is_file():
        print(f"WordBreakTest: not run, there is no {asked.standard}")
        return 1 if failed else 0
    lines, reasons = standard(asked.standard)
    print(f"WordBreakTest: {lines} lines, {reasons.total()} with other words")
    for why, number in reasons.most_common():
        print(f"  {number:5} {why}")
    return 1 if failed or any(why.startswith(("'", '"')) for why in reasons) else 0


if __name__ == "__main__":
    sys.exit(main())
