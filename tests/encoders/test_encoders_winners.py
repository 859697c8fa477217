"""Codes of `WinnerTakeAll` against a brute force over sorted pairs, its gradient against the formula, its life in
sentence-transformers, and the bad settings that it refuses.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import tiny_sparse_folder

from retrieve.encoders.head import Head, gaussian, gaussian_steps
from retrieve.encoders.torch.straight_through import TEMPERATURE, margins, straight_through, take_winners
from retrieve.encoders.winners import WinnerTakeAll
from retrieve.errors import DimensionMismatch, EncoderError, UsageError

TEXTS = ["the law of the court", "a cell of the blood protein", "index", "heat flow and wing pressure " * 9]

Array = NDArray[Any]


def best(values: Array, count: int) -> set[int]:
    """Positions of the `count` largest, ties by position: the slow way."""
    order = sorted(range(len(values)), key=lambda place: (-float(values[place]), place))
    return set(order[:count])


def segment_winners(z: Array, count: int, segments: int) -> set[int]:
    size = len(z) // segments
    return {
        first + place
        for first in range(0, len(z), size)
        for place in best(z[first : first + size], count // segments)
    }


def whole(module: WinnerTakeAll, generator: np.random.Generator) -> WinnerTakeAll:
    """With small whole numbers as weights and mean, so that products are exact and ties are many."""
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(generator.integers(-2, 3, tuple(module.weight.shape))))
    module.set_mean(generator.integers(-2, 3, tuple(module.mean.shape)).astype(np.float32))
    return module


def codes_of(module: WinnerTakeAll, task: str = "document", **features: Array) -> Array:
    tensors = {name: torch.from_numpy(array) for name, array in features.items()}
    with torch.inference_mode():
        codes: Array = module(tensors, task=task)["sentence_embedding"].numpy()
    return codes


@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([1, 2, 4]), st.data())
def test_text_codes_are_those_of_the_slow_way(
    seed: int, rows: int, segments: int, data: st.DataObject
) -> None:
    generator = np.random.default_rng(seed)
    size = data.draw(st.integers(1, 9))
    winners, queried = (segments * data.draw(st.integers(1, size)) for _ in range(2))
    module = whole(WinnerTakeAll(3, segments * size, winners, queried, segments=segments), generator)
    vectors = generator.integers(-3, 4, (rows, 3)).astype(np.float32)
    z = (vectors - module.mean.numpy()) @ module.weight.detach().numpy().T
    for task, count in (("document", winners), ("query", queried)):
        codes = codes_of(module, task, sentence_embedding=vectors)
        assert set(np.unique(codes)) <= {0.0, 1.0}
        found = [set(np.flatnonzero(code)) for code in codes]
        assert found == [segment_winners(row, count, segments) for row in z]


def slow_token_code(
    z: Array, winners: int, segments: int, cap: int | None, rule: str, idf: Array
) -> set[int]:
    """z (T,n) of real tokens → the dimensions of the document."""
    won = [segment_winners(row, winners, segments) for row in z]
    votes = {place: sum(place in each for each in won) for place in set().union(*won)}
    value = {
        place: max(row[place] for row, each in zip(z, won, strict=True) if place in each) for place in votes
    }
    worth = {
        "value": lambda place: (value[place],),
        "votes": lambda place: (votes[place], value[place]),
        "idf": lambda place: ((votes[place] + 0.5 * value[place] / (1 + abs(value[place]))) * idf[place],),
    }[rule]
    order = sorted(votes, key=lambda place: (*(-part for part in worth(place)), place))
    return set(order[:cap])


@pytest.mark.parametrize("rule", ["value", "votes", "idf"])
@given(seed=st.integers(0, 2**32), segments=st.sampled_from([1, 3]), data=st.data())
def test_token_codes_are_those_of_the_slow_way(
    rule: Any, seed: int, segments: int, data: st.DataObject
) -> None:
    generator = np.random.default_rng(seed)
    size = data.draw(st.integers(1, 5))
    n = segments * size
    winners, queried = (segments * data.draw(st.integers(1, size)) for _ in range(2))
    cap = data.draw(st.none() | st.integers(1, n + 2))
    module = WinnerTakeAll(3, n, winners, queried, "token", segments, cap=cap, cap_rule=rule)
    whole(module, generator)
    idf = 2.0 ** generator.integers(-2, 3, n)
    if rule == "idf":
        module.set_idf(idf)
    states = generator.integers(-3, 4, (4, 5, 3)).astype(np.float32)
    real = generator.integers(0, 2, (4, 5))
    real[0] = 0
    for task, count, kept in (("document", winners, cap), ("query", queried, None)):
        codes = codes_of(module, task, token_embeddings=states, attention_mask=real)
        for row in range(4):
            tokens = states[row][real[row] > 0] - module.mean.numpy()
            z = (tokens @ module.weight.detach().numpy().T).astype(np.float32)
            expected = slow_token_code(z, count, segments, kept, rule, idf) if len(z) else set()
            assert set(np.flatnonzero(codes[row])) == expected


def test_a_text_without_real_tokens_has_no_winners() -> None:
    module = WinnerTakeAll(3, 8, 2, level="token")
    states = np.ones((1, 4, 3), np.float32)
    assert codes_of(module, token_embeddings=states, attention_mask=np.zeros((1, 4), np.int64)).sum() == 0


def test_what_padding_holds_changes_nothing() -> None:
    generator = np.random.default_rng(3)
    module = WinnerTakeAll(4, 64, 4, level="token", cap=7)
    states = generator.standard_normal((2, 6, 4)).astype(np.float32)
    real = np.array([[1, 1, 1, 0, 0, 0], [1] * 6])
    before = codes_of(module, token_embeddings=states, attention_mask=real)
    states[0, 3:] = 1e9
    assert (codes_of(module, token_embeddings=states, attention_mask=real) == before).all()


def test_layers_stand_side_by_side() -> None:
    generator = np.random.default_rng(4)
    module = WinnerTakeAll(3, 10, 2, level="token", layers=[2, 0], cap=5)
    module.set_mean(generator.standard_normal((2, 3)))
    layers = [torch.from_numpy(generator.standard_normal((2, 4, 3)).astype(np.float32)) for _ in range(3)]
    real = torch.ones(2, 4, dtype=torch.int64)
    both = module({"all_layer_embeddings": layers, "attention_mask": real})["sentence_embedding"]
    assert both.shape == (2, 20)
    assert module.get_embedding_dimension() == 20
    for bucket, layer in enumerate([2, 0]):
        one = WinnerTakeAll(3, 10, 2, level="token", cap=5)
        with torch.no_grad():
            one.weight.copy_(module.weight[bucket * 10 : bucket * 10 + 10])
        one.set_mean(module.mean[bucket])
        alone = one({"token_embeddings": layers[layer], "attention_mask": real})["sentence_embedding"]
        assert torch.equal(both[:, bucket * 10 : bucket * 10 + 10], alone)


@pytest.mark.parametrize("level", ["text", "token"])
def test_what_is_not_a_number_spoils_a_code_and_no_other(level: Any) -> None:
    module = WinnerTakeAll(3, 8, 2, level=level)
    vectors = np.ones((2, 3), np.float32)
    vectors[1, 2] = np.nan
    if level == "text":
        codes = codes_of(module, sentence_embedding=vectors)
    else:
        codes = codes_of(module, token_embeddings=vectors[:, None], attention_mask=np.ones((2, 1), np.int64))
    assert codes[0].sum() == 2
    assert np.isnan(codes[1]).all()


def test_the_gradient_is_that_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(3, 2, 8, generator=generator, dtype=torch.float64).requires_grad_()
    mask, threshold = take_winners(z, 3)
    into = torch.randn(3, 2, 8, generator=generator, dtype=torch.float64)
    margin = margins(z, threshold)
    code = straight_through(mask, margin)
    assert torch.equal(code, mask.double())
    assert (mask.sum(-1) == 3).all()
    (found,) = torch.autograd.grad((code * into).sum(), margin, retain_graph=True)
    scaled = (z - threshold) / z.std(dim=(1, 2), correction=0, keepdim=True)
    assert torch.allclose(margin, scaled)
    sigmoid = 1 / (1 + torch.exp(-scaled / TEMPERATURE))
    assert torch.allclose(found, into * sigmoid * (1 - sigmoid) / TEMPERATURE)
    # Through the deviation too: scaling all of a text's z changes nothing.
    (back,) = torch.autograd.grad((code * into).sum(), z)
    held = (threshold / z.detach().std(dim=(1, 2), correction=0, keepdim=True)).detach()

    def soft(z: torch.Tensor) -> torch.Tensor:
        return (
            torch.sigmoid((z / z.std(dim=(1, 2), correction=0, keepdim=True) - held) / TEMPERATURE) * into
        ).sum()

    step = torch.randn(3, 2, 8, generator=generator, dtype=torch.float64) * 1e-6
    assert torch.allclose(soft(z + step) - soft(z - step), 2 * (back * step).sum(), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("level", ["text", "token"])
def test_training_moves_the_weights_and_gives_the_same_codes(level: Any) -> None:
    module = WinnerTakeAll(8, 32, 4, level=level)
    states = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    features = {
        "token_embeddings": states,
        "attention_mask": torch.ones(3, 5),
        "sentence_embedding": states[:, 0],
    }
    trained = module(features)["sentence_embedding"]
    with torch.no_grad():
        assert torch.equal(trained, module(features)["sentence_embedding"])
    trained.square().sum().backward()
    assert module.weight.grad is not None
    assert float(module.weight.grad.abs().sum()) > 0


def test_the_untrained_weights_are_the_same_numbers_everywhere() -> None:
    assert np.array_equal(WinnerTakeAll(5, 16, 4, seed=7).weight.detach().numpy(), gaussian(16, 5, 7))
    # If numpy ever draws otherwise, indexes that keep a seed alone break: then the numbers must be kept.
    assert gaussian_steps(2, 2, 0).ravel().tolist() == [4, -4, 20, 3]
    assert gaussian(2, 2, 0).ravel() == pytest.approx(np.array([4, -4, 20, 3]) / 32 / 2**0.5)
    assert np.array_equal(gaussian(3, 4, 1), gaussian(9, 4, 1)[:3])
    assert gaussian(4096, 64, 0).std() == pytest.approx(1 / 8, rel=0.01)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"winners": 17}, "winners is 17, wanted 1 to 16"),
        ({"winners": 0}, "winners is 0, wanted 1 to 16"),
        ({"query_winners": 20}, "query_winners is 20"),
        ({"segments": 3}, "dimensions is 16, wanted a multiple of segments = 3"),
        ({"segments": 4, "winners": 6}, "winners is 6, wanted a multiple of segments = 4"),
        ({"segments": 0}, "segments is 0"),
        ({"dimensions": 0}, "dimensions is 0"),
        ({"level": "word"}, "level is 'word'"),
        ({"cap": 3}, "layers and cap are of the token level"),
        ({"layers": [1]}, "layers and cap are of the token level"),
        ({"level": "token", "layers": []}, "layers is empty"),
        ({"level": "token", "cap": 0}, "cap is 0"),
        ({"level": "token", "cap_rule": "best"}, "cap_rule is 'best'"),
        ({"dimensions": 70_000, "winners": 66_000}, "query_winners is 66000, wanted at most 65535"),
        (
            {"level": "token", "dimensions": 40_000, "winners": 33_000, "layers": [0, 1]},
            "query_winners over 2 layers are 66000",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        WinnerTakeAll(1, **{"dimensions": 16, "winners": 4, **settings})


def test_a_mean_of_other_vectors_is_refused() -> None:
    module = WinnerTakeAll(3, 8, 2)
    with pytest.raises(DimensionMismatch, match=r"shape \(4,\), wanted \(3,\)"):
        module.set_mean(np.zeros(4))
    with pytest.raises(DimensionMismatch, match=r"shape \(4,\), wanted \(3,\)"):
        Head(gaussian(8, 3, 0), np.zeros(4, np.float32), 8, 2, 2)
    with pytest.raises(DimensionMismatch, match=r"wanted \(9, hidden\)"):
        Head(gaussian(8, 3, 0), np.zeros(3, np.float32), 9, 2, 2)
    with pytest.raises(UsageError, match="idf of shape"):
        module.set_idf(np.ones(8))


def test_layers_that_are_not_there_are_refused() -> None:
    module = WinnerTakeAll(3, 8, 2, level="token", layers=[5])
    with pytest.raises(EncoderError, match="output_hidden_states"):
        module({"token_embeddings": torch.zeros(1, 2, 3), "attention_mask": torch.ones(1, 2)})
    with pytest.raises(EncoderError, match="has 0 \\(embeddings\\) to 1"):
        module({"all_layer_embeddings": [torch.zeros(1, 2, 3)] * 2, "attention_mask": torch.ones(1, 2)})


FRESH = """
import sys
import numpy as np
from sentence_transformers import SparseEncoder
for folder in sys.argv[1:3]:
    model = SparseEncoder(folder, trust_remote_code=True, device="cpu")
    for task, encode in (("document", model.encode_document), ("query", model.encode_query)):
        np.save(f"{folder}/{task}.npy", encode(sys.argv[3:]).to_dense().numpy())
"""


@pytest.mark.long
def test_saved_models_give_the_same_codes_in_another_process(tmp_path: Path) -> None:
    from sentence_transformers import SparseEncoder

    text = {"dimensions": 64, "winners": 8, "query_winners": 4, "segments": 2}
    token = {"dimensions": 64, "winners": 4, "level": "token", "cap": 9, "cap_rule": "idf", "layers": [1, 2]}
    models = {}
    for name, settings in (("text", text), ("token", token)):
        start = tiny_sparse_folder(tmp_path / f"{name}-before", **settings)
        model = models[name] = SparseEncoder(str(start), trust_remote_code=True, device="cpu")
        head: Any = model[-1]
        head.set_mean(np.random.default_rng(0).standard_normal(tuple(head.mean.shape)) / 9)
        if head.idf is not None:
            head.set_idf(np.random.default_rng(1).random(128) + 0.1)
        model.save_pretrained(str(tmp_path / name))
    folders = [str(tmp_path / name) for name in models]
    subprocess.run([sys.executable, "-c", FRESH, *folders, *TEXTS], check=True)
    for name, model in models.items():
        documents, queries = (np.load(tmp_path / name / f"{task}.npy") for task in ("document", "query"))
        assert np.array_equal(documents, model.encode_document(TEXTS).to_dense().numpy())
        assert np.array_equal(queries, model.encode_query(TEXTS).to_dense().numpy())
        if name == "text":
            assert (documents.sum(axis=1) == 8).all()
            assert (queries.sum(axis=1) == 4).all()
