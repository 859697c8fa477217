"""Writes retrieve/_core/{word,break}_classes.hpp: what each character is to the core, by the Unicode of `regex`.

Run it after a change of the classes, or for a newer Unicode: python scripts/character_classes.py
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import regex

PAGE = 256

# Scripts written without spaces, Hangul beside them, and the marks of length and iteration that kana share.
UNSPACED = "".join(
    rf"\p{{{script}}}"
    for script in (
        "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo", "Yi", "Tangut", "Nushu", "Khitan_Small_Script",
        "Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Javanese", "Balinese",
    )
)  # fmt: skip
UNSPACED += r"\u3006\u3031-\u3035\u303C\u30FC\uFF70\uFF9E\uFF9F"

# Written for letters, without being any: they are no words.
TRADE_MARKS = "\u2120\u2122"
# Text by default, whatever the tables of emoji say: Lucene's StandardTokenizer leaves them out too.
NO_EMOJI = r"\u00A9\u00AE\u203C\u2049\u3030\u303D" + TRADE_MARKS

# The first pattern that matches names the class; what none matches parts words too.
CLASSES = {
    "SUPERSCRIPT": r"[\u00B2\u00B3\u00B9\u2070\u2074-\u2079]",
    "MARK": r"[\p{M}\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}\p{Default_Ignorable_Code_Point}]",
    "DIGIT": r"[\p{Nd}\u2080-\u2089]",
    "EMOJI": rf"(?V1)[[\p{{Extended_Pictographic}}\p{{Regional_Indicator}}]--[{NO_EMOJI}]]",
    "UNSPACED": rf"(?V1)[[\p{{L}}\p{{N}}]&&[{UNSPACED}]]",
    "LETTER": r"[\p{L}\p{Nl}]",
    "CONNECTOR": r"\p{WB=ExtendNumLet}",
    "BETWEEN_LETTERS": r"[\u00B7\u0387\u055F\u05F4\u2027]",
    "BETWEEN_BOTH": r"\p{WB=MidNumLet}|'",
    "BETWEEN_DIGITS": r"(?V1)[\p{WB=MidNum}--[\u2044]]|\u066B",
    "AMPERSAND": r"[&\uFF06]",
}  # fmt: skip


def class_of(character: str) -> int:
    """The number of a character's class."""
    for name, pattern in _PATTERNS.items():
        if pattern.match(character):
            return NAMES.index(name)
    if regex.match(r"\p{No}", character) or (character not in TRADE_MARKS and _stands_for_word(character)):
        return NAMES.index("SYMBOL")
    return NAMES.index("PARTS")


def _stands_for_word(character: str) -> bool:
    if not regex.match(r"\p{S}", character):
        return False
    return any(part.isalnum() for part in unicodedata.normalize("NFKC", character))


NAMES = ("PARTS", *CLASSES, "SYMBOL")
_PATTERNS = {name: regex.compile(pattern) for name, pattern in CLASSES.items()}


# What ends sentences and paragraphs, see retrieve/_core/boundaries.cpp: a character may be several of these.
BREAKS = {
    "SPACE": r"\s",
    "STARTS_SENTENCE": r"[\p{Lu}\p{Lt}\p{Lo}\p{N}]",
    "IN_WORD": r"[\p{L}\p{M}\p{N}]",
    "ENDS_BEFORE_SPACE": "[.?!…।॥؟۔]",
    "ENDS_ANYWHERE": "[。！？｡]",
    "CLOSES": r"""["'”’»)\]}」』）】》〉]""",
    "OPENS": r"""["'“‘„«(\[{¿¡]""",
}


def breaks_of(character: str) -> int:
    """The bits of what a character is."""
    bits = sum(1 << number for number, pattern in enumerate(_BREAK_PATTERNS) if pattern.match(character))
    return bits | (_PARTS_WORDS if character.isspace() and character <= "\u3000" else 0)


_BREAK_PATTERNS = [regex.compile(pattern) for pattern in BREAKS.values()]
_PARTS_WORDS = 1 << len(BREAKS)


def main() -> None:
    """Write both headers."""
    numbered = ", ".join(NAMES)
    _write("word", f"enum WordClass : std::uint8_t {{ {numbered} }};", class_of)
    names = (*BREAKS, "PARTS_WORDS")
    bits = ", ".join(f"{name} = {1 << number}" for number, name in enumerate(names))
    _write("break", f"enum BreakClass : std::uint8_t {{ {bits} }};", breaks_of)


def _write(name: str, declared: str, of: Callable[[str], int]) -> None:
    values = bytes(of(chr(code)) for code in range(0x110000))
    pages: dict[bytes, int] = {}
    numbers = [pages.setdefault(values[at : at + PAGE], len(pages)) for at in range(0, len(values), PAGE)]
    out = [
        f"// Made by scripts/character_classes.py from regex {regex.__version__}; change that, not this.",
        "",
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
        "namespace core {",
        "",
        declared,
        "",
        f"constexpr std::uint8_t {name.upper()}_PAGES[{len(numbers)}] = {{",
        *_lines(numbers),
        "};",
        "",
        f"constexpr std::uint8_t {name.upper()}_CLASSES[{len(pages)}][{PAGE}] = {{",
    ]
    for page in pages:
        out += ["    {", *_lines(list(page)), "    },"]
    out += ["};", "", "} // namespace core", ""]
    place = Path(__file__).parent.parent / "retrieve" / "_core" / f"{name}_classes.hpp"
    place.write_text("\n".join(out), encoding="ascii")
    print(f"{place.name}: {len(pages)} pages")


def _lines(numbers: list[int], width: int = 36) -> list[str]:
    parts = (numbers[at : at + width] for at in range(0, len(numbers), width))
    return ["    " + " ".join(f"{number}," for number in part) for part in parts]


if __name__ == "__main__":
    main()
