"""The tokenizer that cuts and feeds: nothing lost to a file's own truncation, ids as transformers gives them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import WORDS, tiny_bare_folder

from retrieve.encoders.tokens import Tokens, load_tokenizer
from retrieve.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bare_folder(tmp_path_factory.mktemp("tokens") / "model")


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    return Tokens(load_tokenizer(folder, lower_case=False), pad=0)


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_a_file_that_truncates_and_pads_does_neither_here(tokens: Tokens) -> None:
    text = " ".join(WORDS[number % len(WORDS)] for number in range(1000))
    (spans,) = tokens.offsets([text])
    assert [text[start:end] for start, end in spans] == text.split()
    assert tokens.offsets(["law"])[0].tolist() == [[0, 3]]
    assert tokens.offsets([""])[0].shape == (0, 2)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=60), max_size=5))
def test_offsets_are_characters_in_order_and_leave_out_only_what_is_no_token(
    tokens: Tokens, texts: list[str]
) -> None:
    for text, spans in zip(texts, tokens.offsets(texts), strict=True):
        seen = set()
        for start, end in spans.tolist():
            assert 0 <= start <= end <= len(text)
            seen.update(range(start, end))
        assert spans[:, 0].tolist() == sorted(spans[:, 0].tolist())
        assert all(
            at in seen for at, character in enumerate(text) if character.isascii() and character.isalnum()
        )


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.sampled_from([*WORDS, "Ünïcode", "世界", "x" * 9]), max_size=30).map(" ".join), max_size=6
    ),
    limit=st.integers(3, 20),
)
def test_rows_are_what_transformers_feeds_and_count_what_they_cut(
    tokens: Tokens, oracle: Any, texts: list[str], limit: int
) -> None:
    rows = tokens.rows(texts, limit)
    for text, row in zip(texts, rows, strict=True):
        whole = len(oracle(text, truncation=False)["input_ids"])
        expected = oracle(text, truncation=True, max_length=limit)
        assert row.ids.tolist() == expected["input_ids"]
        assert row.types.tolist() == expected["token_type_ids"]
        assert row.cut == whole - len(row.ids)


def test_more_texts_than_one_slice_keep_their_order(tokens: Tokens) -> None:
    texts = [WORDS[number % len(WORDS)] for number in range(1500)]
    assert [len(spans) for spans in tokens.offsets(texts)] == [1] * 1500
    assert [row.ids.tolist() for row in tokens.rows(texts, 8)] == [
        tokens.rows([text], 8)[0].ids.tolist() for text in texts
    ]


def test_older_vocabulary_files_give_the_same_tokens(folder: Path, tokens: Tokens, tmp_path: Path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    (older / "tokenizer.json").unlink()
    text = "The Library of retrieval, 1999: functions' values " * 20
    (got,) = Tokens(load_tokenizer(older, lower_case=False), pad=0).rows([text], 512)
    assert got.ids.tolist() == tokens.rows([text], 512)[0].ids.tolist()


def test_lower_casing_comes_before_a_cased_tokenizer(folder: Path, tmp_path: Path) -> None:
    cased = Path(shutil.copytree(folder, tmp_path / "cased"))
    file = cased / "tokenizer.json"
    file.write_text(file.read_text().replace('"lowercase": true', '"lowercase": false'))
    plain, lowered = (Tokens(load_tokenizer(cased, lower_case=lower), pad=0) for lower in (False, True))
    assert plain.rows(["LAW"], 9)[0].ids.tolist() != plain.rows(["law"], 9)[0].ids.tolist()
    assert lowered.rows(["LAW"], 9)[0].ids.tolist() == plain.rows(["law"], 9)[0].ids.tolist()


def test_what_is_no_text_is_named(tokens: Tokens) -> None:
    with pytest.raises(InputError, match="text 1 holds a lone surrogate at character 2"):
        tokens.rows(["fine", "no\ud800"], 9)
    with pytest.raises(InputError, match="text 600 is a NoneType, wanted a string"):
        tokens.offsets(["fine"] * 600 + [None])  # type: ignore[list-item]


@pytest.mark.parametrize("characters", [1, 20, 1000])
def test_slices_of_any_size_give_the_same(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    from retrieve.encoders import tokens as module

    texts = ["", "law", "the court of law " * 9, *("cell blood gene",) * 7, ""]
    wanted = tokens.rows(texts, 12)
    monkeypatch.setattr(module, "SLICE_CHARACTERS", characters)
    found = tokens.rows(texts, 12)
    assert [(row.ids.tolist(), row.cut) for row in found] == [(row.ids.tolist(), row.cut) for row in wanted]
