"""Late chunking: means over token vectors of a longer window, against the model asked directly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import WORDS, tiny_encoder_folder

from retrieve.encoders.dense import encoder_inputs as feed
from retrieve.encoders.dense.late_chunking import Late, share_windows
from retrieve.encoders.load import load_encoder
from retrieve.encoders.tokens import Tokens
from retrieve.errors import EncoderError
from retrieve.passages.late import late_windows
from retrieve.types import Document

TEXT = " ".join(WORDS[:24])


def spans_of(text: str, *counts: int) -> np.ndarray:
    """(S,2) spans of so many words each, one after the other."""
    ends = [at for at, character in enumerate(f"{text} ") if character == " "]
    starts = [0, *(end + 1 for end in ends)]
    places = np.cumsum([0, *counts])
    return np.array([[starts[a], ends[b - 1]] for a, b in pairwise(places)], dtype=np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("model"))


def test_a_passage_is_the_mean_of_its_tokens_in_the_window(folder: Path) -> None:
    import torch
    from transformers import BertModel

    spans = spans_of(TEXT, 4, 9, 3)
    encoder = load_encoder(str(folder), document_prompt="law: ", normalize=False)
    found = encoder.encode_late([Late(TEXT, spans, lead="Title\n")]).vectors
    fed = "law: Title\n" + TEXT
    ids = encoder.rows([fed])[0].ids
    offsets = encoder.token_offsets([fed])[0]
    model = BertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        hidden = model(torch.tensor([ids.tolist()], dtype=torch.long)).last_hidden_state[0, 1:-1].numpy()
    shift = len(fed) - len(TEXT)
    expected = np.stack(
        [hidden[(offsets[:, 0] >= a + shift) & (offsets[:, 1] <= b + shift)].mean(0) for a, b in spans]
    )
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)  # the folder ends in a Normalize
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("chunk", [1, 2, 1024])
def test_windows_of_a_batch_do_not_mix_and_the_cache_gives_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(feed, "LATE_CHUNK", chunk)
    windows = [
        Late(TEXT, spans_of(TEXT, 5, 5)),
        Late(TEXT[:40], spans_of(TEXT, 3)),
        Late(TEXT, spans_of(TEXT, 7)),
    ]
    alone = [load_encoder(str(folder)).encode_late([window]).vectors for window in windows]
    encoder = load_encoder(str(folder), cache=tmp_path)
    first = encoder.encode_late(windows)
    monkeypatch.setattr(Tokens, "rows_with_offsets", None)  # what is kept needs no tokens
    second = encoder.encode_late(windows)
    assert second.tokens == first.tokens
    np.testing.assert_allclose(first.vectors, np.concatenate(alone), atol=2e-3)
    assert second.vectors.tobytes() == first.vectors.tobytes()
    assert (first.cached, second.cached) == (0, 4)


def test_the_same_passage_in_another_document_is_another_vector(folder: Path) -> None:
    other = " ".join(WORDS[40:44]) + TEXT[TEXT.index(" ", 15) :]
    encoder = load_encoder(str(folder))
    spans = spans_of(TEXT, 4, 9)
    ours, theirs = (encoder.encode_late([Late(text, spans)]).vectors for text in (TEXT, other))
    assert not np.allclose(ours[1], theirs[1], atol=1e-3)


def test_what_late_chunking_cannot_do_is_an_error(folder: Path, tmp_path: Path) -> None:
    pooled = tiny_encoder_folder(tmp_path / "cls", pooling="cls")
    with pytest.raises(EncoderError, match="does not pool by means"):
        load_encoder(str(pooled)).encode_late([Late(TEXT, spans_of(TEXT, 4))])


def test_a_span_without_tokens_is_its_window_and_what_is_cut_is_counted(folder: Path) -> None:
    encoder = load_encoder(str(folder))
    blank, whole = encoder.encode_late([Late("law    court", np.array([[4, 6], [0, 12]]))]).vectors
    assert blank.tobytes() == whole.tobytes()
    titled = encoder.encode_late([Late("", np.array([[0, 0]]), lead="law court ")])
    assert np.isfinite(titled.vectors).all()
    long = " ".join(WORDS * 3)
    found = encoder.encode_late([Late(long, np.array([[0, 20], [len(long) - 20, len(long)]]))])
    assert found.cut.tolist() == [0, len(encoder.token_offsets([long])[0]) + 2 - encoder.limit]


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=12), budget=st.integers(1, 20))
def test_windows_hold_neighbours_that_fit_and_leave_none_out(lengths: list[int], budget: int) -> None:
    ends = np.cumsum(lengths)
    spans = np.stack([ends - lengths, ends], axis=1)
    offsets = np.stack([np.arange(ends[-1]), np.arange(ends[-1]) + 1], axis=1)  # a token a character
    ranges = list(share_windows(offsets, spans, budget))
    assert [number for first, end in ranges for number in range(first, end)] == list(range(len(lengths)))
    for first, end in ranges:
        assert end - first == 1 or spans[end - 1, 1] - spans[first, 0] <= budget
    for (first, end), (_, following) in pairwise(ranges):
        assert following > end
        assert spans[end, 1] - spans[first, 0] > budget  # one more would not have fitted


@given(
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), min_size=1, max_size=8),
    budget=st.integers(1, 31),
)
def test_spans_in_any_order_are_whole_in_their_window(spans: list[list[int]], budget: int) -> None:
    document = Document("x", "abcdefghijklmnopqrstuvwxyzäöüß", "")

    def letters(texts: Sequence[str]) -> list[np.ndarray]:
        return [
            np.array([[at, at + 1] for at in range(len(text))], np.int64).reshape(-1, 2) for text in texts
        ]

    windows = list(late_windows(document, np.array(spans), letters, budget, title="none"))
    read = [window.text[start:end] for window in windows for start, end in window.spans.tolist()]
    assert read == [document.text[start:end] for start, end in spans]
    assert all((window.spans >= 0).all() for window in windows)
    for window in windows:
        assert len(window.spans) == 1 or len(window.text) <= budget
