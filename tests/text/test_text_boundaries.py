"""Paragraph, sentence and word ends, on sentences whose ends are known."""

from __future__ import annotations

import pytest
from boundary_rules import breaks_by_rules
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.text.boundaries import breaks


def cut(text: str, ends: list[int]) -> list[str]:
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "The act is void.",
            ' "It is," he said.',
            " (See there.)",
            " 12 people left!",
            " Why?!",
            " Nobody knows",
        ],
        ["She wrote “Stop.”", " Then she left."],
        ["Under Art. 5 and No. 7 of Reg. 9, cf. Smith v. Jones, it holds.", " Next one."],
        ["J. R. R. Tolkien and Dr. Who met at 3.14 p.m. in the U.S. Congress.", " Next."],
        ["Am 3. Oktober gilt z. B. Nr. 4 nicht.", " Über alles."],
        ["1. Scope of this law.", " 12. Terms"],
        ["It began in 1999.", " In 2000 it ended"],
        ["lower case e.g. this. or that ... and so on"],
        ["法院认为有效。", "原告说：“无效！”", "被告不同意"],
        ["यह सच है।", " वह गया"],
        ["¿Quién?", " ¡Nadie!", " «Así es.»", " Bien"],
    ],
)
def test_sentence_ends(sentences: list[str]) -> None:
    text = "".join(sentences)
    assert cut(text, breaks(text).sentences.tolist()) == sentences


@pytest.mark.parametrize(
    "paragraphs",
    [
        ["One. Two\nwrapped", "\n\nThree.\nFour", "\n \t\n\n Five"],
        ["One", "\r\n\r\nTwo.\r\nThree"],
        [
            "A line. Two sentences.",
            "\nAnother one,\nwrapped here.",
            " \nLast",
        ],  # no blank line: full stop and line end
        ["no ends at all\nin here"],
    ],
)
def test_paragraph_ends(paragraphs: list[str]) -> None:
    text = "".join(paragraphs)
    assert cut(text, breaks(text).paragraphs.tolist()) == paragraphs


@given(st.text(alphabet="aB1.!。\"' \n\r\t\u2003(Ж法\ud800", max_size=60))
@settings(max_examples=300, deadline=None)
def test_breaks_are_sorted_and_right_after_text(text: str) -> None:
    found = breaks(text)
    for positions in found:
        listed = positions.tolist()
        assert listed == sorted(set(listed))
        assert all(0 < at <= len(text) and not text[at - 1].isspace() for at in listed)
    spaced = [at for at in range(1, len(text)) if text[at].isspace() and not text[at - 1].isspace()]
    assert found.words.tolist() == spaced


@pytest.mark.parametrize("hostile", [".", " ", "\n", ". ", ".)", '"', " (", ".\n(", "\t\n", "a."])
def test_time_is_linear_in_the_text(hostile: str) -> None:
    """Nothing is timed: on a million characters a quadratic rule would not come back."""
    text = "x." + hostile * (1_000_000 // len(hostile)) + "x"
    assert all(len(positions) <= len(text) for positions in breaks(text))


_PIECES = st.sampled_from(
    [
        *".?!…。！।",
        *"\"'”»)]“«(",
        *" \n\t\u00a0\u3000\x1c",
        "A",
        "z",
        "Ж",
        "法",
        "7",
        "12",
        "Art",
        "cf",
        "NOS",
        "é",
        "\u0301",
        "²",
        "-",
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(st.characters(codec="utf-8"), max_size=60))
@settings(max_examples=2_000, deadline=None)
def test_breaks_are_those_of_the_rules(text: str) -> None:
    assert tuple(found.tolist() for found in breaks(text)) == breaks_by_rules(text)
