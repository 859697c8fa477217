"""What the trainer reads: random passages, batches of similar length, legacy padding; chance by seed, epoch and key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from endtoend_case import context, preset, problem
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_bare_folder, tiny_encoder_folder
from torch.utils.data import DataLoader

from retrieve.classify.endtoend.material import ByLength, Material, collate
from retrieve.classify.endtoend.reading import Reader, recipe_of
from retrieve.classify.records import Examples
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.tokens import TokenRow
from retrieve.encoders.torch.trainable import PassageModel
from retrieve.errors import RecipeError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder"), limit=64)


def row(name: int, length: int = 3) -> TokenRow:
    return TokenRow(np.full(length, name, np.int32), np.zeros(length, np.int32), 0)


def material(*counts: int, passages: int, seed: int = 0) -> Material:
    found = problem(train=len(counts)).train
    rows = [[row(name) for name in range(count)] for count in counts]
    return Material(rows, found, passages=passages, seed=seed)


def drawn(found: Material, epoch: int, number: int) -> list[int]:
    return [int(one.ids[0]) for one in found[epoch, number]["rows"]]


def test_passages_are_drawn_by_seed_epoch_and_document_alone() -> None:
    ours = material(30, 30, 2, passages=5)
    first = drawn(ours, 0, 0)
    assert len(set(first)) == 5 and first == sorted(first)
    torch.manual_seed(1), np.random.seed(1)  # noqa: NPY002
    assert drawn(ours, 0, 0) == first == drawn(material(30, 30, 2, passages=5), 0, 0)
    others = [
        drawn(ours, 1, 0),
        drawn(ours, 0, 1),
        drawn(material(30, 30, 2, passages=5, seed=1), 0, 0),
    ]
    assert all(other != first for other in others)
    assert drawn(ours, 0, 2) == [0, 1]  # it has no more
    assert len(ours[0]["rows"]) == 30  # all of them outside of training


def test_other_processes_draw_the_same() -> None:
    ours = material(30, 30, 2, 9, passages=5)
    epochs = []
    for workers in (0, 2):
        sampler = ByLength(ours.lengths(), 2, seed=0)
        sampler.set_epoch(3)
        loader = DataLoader(ours, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
        epochs.append(
            [([int(one.ids[0]) for one in batch["passages"].rows], batch["ids"]) for batch in loader]
        )
    assert epochs[0] == epochs[1]


def test_every_passage_comes_sooner_or_later() -> None:
    ours = material(12, passages=3)
    counts = np.bincount([name for epoch in range(400) for name in drawn(ours, epoch, 0)], minlength=12)
    # 400 draws of 3 of 12: each comes 100 times, standard deviation 8.7; five of those on either side.
    assert (np.abs(counts - 100) < 43).all()


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 3))
def test_each_epoch_has_every_document_once_in_as_many_batches(
    lengths: list[int], batch: int, epoch: int
) -> None:
    sampler = ByLength(lengths, batch, seed=7)
    sampler.set_epoch(epoch)
    found = list(sampler)
    assert len(found) == len(sampler) == -(-len(lengths) // batch)
    assert sorted(number for keys in found for _, number in keys) == list(range(len(lengths)))
    assert {own for keys in found for own, _ in keys} == {epoch}
    assert max(map(len, found)) <= batch
    assert list(sampler) == found  # the same epoch again


def test_batches_are_of_similar_length_and_other_ones_in_each_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, size=200).tolist()
    sampler = ByLength(lengths, 8, seed=0)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        epochs.append([[number for _, number in keys] for keys in sampler])
    assert sorted(map(sorted, epochs[0])) != sorted(map(sorted, epochs[1])) or epochs[0] != epochs[1]
    spread = np.mean([np.ptp([lengths[number] for number in own]) for own in epochs[0]])
    assert spread < 100  # of 1,000: batches taken at random have a spread of about 780
    assert [max(lengths[n] for n in own) for own in epochs[0]] != sorted(
        (max(lengths[n] for n in own) for own in epochs[0]), reverse=True
    )


def test_a_batch_has_passages_targets_and_ids() -> None:
    ours = material(2, 0, 3, passages=0)
    batch = collate([ours[number] for number in range(3)])
    assert batch["ids"] == ["d0", "d1", "d2"]
    assert batch["passages"].firsts.tolist() == [0, 2, 2, 5]
    assert batch["targets"].dtype == torch.float32 and batch["targets"].shape == (3, 3)


def test_documents_are_fed_as_the_frozen_regime_feeds_them(folder: Path) -> None:
    found = preset(folder)
    parts = context().encoder(recipe_of(found))
    documents = problem().train.documents[:5]
    read = Reader(parts, found).read(documents)
    for document, spans, rows in zip(documents, read.spans, read.rows, strict=True):
        assert len(rows) == len(spans) > 1
        texts = parts.fed(document.document, spans)
        assert [one.ids.tolist() for one in rows] == [
            one.ids.tolist() for one in parts.models.documents.rows(texts)
        ]
        assert max(len(one.ids) for one in rows) <= 12 + 2


def test_legacy_padding_fills_documents_up(folder: Path) -> None:
    found = preset(folder, passages__most=7, aggregator__legacy_padding=True)
    reader = Reader(context().encoder(recipe_of(found)), found)
    documents = problem().train.documents[:5]
    read = reader.read(documents)
    plain = Reader(reader.parts, preset(folder, passages__most=7)).read(documents)
    assert {len(rows) for rows in read.rows} == {7}
    for rows, own, spans in zip(read.rows, plain.rows, read.spans, strict=True):
        assert len(own) == len(spans)
        assert [one.ids.tolist() for one in rows[: len(own)]] == [one.ids.tolist() for one in own]
        for empty in rows[len(own) :]:
            assert empty.ids.tolist() == [0] * 14
    with pytest.raises(RecipeError, match="legacy_padding"):
        Reader(reader.parts, preset(folder, aggregator__legacy_padding=True))


def test_an_empty_passage_is_what_a_mask_of_minus_ten_thousand_gave(tmp_path: Path) -> None:
    """The code behind LexGLUE's figures added −10,000 to all scores of such a passage, which a softmax cancels."""
    root = tiny_bare_folder(tmp_path / "bare")
    model = PassageModel(read_encoder_folder(root, "cls"), pad=0, normalize=False, device="cpu").eval()
    model.transformer.set_attn_implementation("eager")
    empty = row(0, 10)
    with torch.no_grad():
        found = model(*model.batch([empty]))[0]
        added = torch.full((1, 1, 10, 10), -10_000.0)
        ids = torch.zeros((1, 10), dtype=torch.int64)
        wanted = model.transformer(input_ids=ids, attention_mask=added).last_hidden_state[0, 0]
    # −10,000 takes three digits of float32's seven off the scores.
    assert torch.allclose(found, wanted, atol=2e-3)


def test_examples_are_not_copied() -> None:
    examples = Examples(*problem(train=2).train)
    assert Material([[], []], examples)[0]["id"] == "d0"
