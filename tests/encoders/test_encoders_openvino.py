"""The OpenVINO back end against torch: vectors, precisions, conversions that are kept, and what is not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from tiny_models import WORDS, tiny_encoder_folder, write_json

from retrieve import Document, Index, bench
from retrieve.encoders import text_model
from retrieve.encoders.batches import Padded
from retrieve.encoders.dense.late_chunking import Late
from retrieve.encoders.load import load_encoder
from retrieve.encoders.machine import Machine
from retrieve.encoders.openvino.graphs import calibration_texts, is_whole
from retrieve.errors import EncoderError
from retrieve.fork_safety import signal_stack
from retrieve.recipe import load_recipe

pytest.importorskip("openvino", reason="the extra openvino is not installed")
pytest.importorskip("nncf", reason="the extra openvino is not installed")

TEXTS = [" ".join(WORDS[start : start + 1 + start % 17]) for start in range(40)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_encoder_folder(tmp_path / "model")


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left, right = left.astype(np.float64), right.astype(np.float64)
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


@pytest.mark.usefixtures("own_cache")
def test_every_precision_is_close_to_torch(folder: Path, real_machine: Machine) -> None:
    torch = load_encoder(str(folder), backend="torch", precision="fp32").encode_queries(TEXTS).vectors
    # Random weights leave int8 nothing to rely on; trained ones are measured in the benchmarks.
    floors = {"fp32": 0.999999, "int8": 0.9} | ({"bf16": 0.999} if real_machine.bf16 else {})
    for precision, floor in floors.items():
        encoder = load_encoder(str(folder), backend="openvino", precision=precision)
        found = encoder.encode_queries(TEXTS)
        assert cosines(found.vectors, torch).min() > floor, precision
        assert bool(encoder.calibration) == (precision == "int8")


@pytest.mark.usefixtures("own_cache", "real_machine")
@pytest.mark.parametrize("pooling", ["cls", "max", "last"])
def test_every_pooling_is_that_of_torch(tmp_path: Path, pooling: str) -> None:
    folder = tiny_encoder_folder(tmp_path / "model", pooling=pooling)
    torch = load_encoder(str(folder), backend="torch").encode_queries(TEXTS).vectors
    found = load_encoder(str(folder), backend="openvino", precision="fp32").encode_queries(TEXTS).vectors
    np.testing.assert_allclose(found, torch, atol=1e-4)


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_a_collection_makes_few_shapes_of_batches(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels are kept by shape. Rows and columns that fill a batch up change nothing, late chunking included."""
    from retrieve.encoders.dense import encoder_inputs as feed
    from retrieve.encoders.openvino import backend as openvino_backend

    shapes: list[tuple[int, ...]] = []
    inputs = openvino_backend.OpenVINOEncoder._inputs

    def seen(self: openvino_backend.OpenVINOEncoder, batch: Padded) -> dict[str, np.ndarray]:
        shapes.append(batch.ids.shape)
        return inputs(self, batch)

    monkeypatch.setattr(openvino_backend.OpenVINOEncoder, "_inputs", seen)
    monkeypatch.setattr(openvino_backend, "BATCH_TOKENS", 100)
    monkeypatch.setattr(feed, "CHUNK", 35)
    texts = [" ".join(WORDS[start % 60 :][: 1 + start % 40]) for start in range(130)]
    torch = load_encoder(str(folder), backend="torch", precision="fp32")
    encoder = load_encoder(str(folder), backend="openvino", precision="fp32", cache=tmp_path / "vectors")
    expected = torch.encode_documents(texts).vectors
    np.testing.assert_allclose(encoder.encode_documents(texts).vectors, expected, atol=2e-3)
    assert len(shapes) > 30
    assert len(set(shapes)) <= 13  # the lengths that are filled up to, until 48
    shapes.clear()
    windows = [Late(text, np.array([[0, len(text) // 2], [len(text) // 2, len(text)]])) for text in texts]
    expected = torch.encode_late(windows).vectors
    np.testing.assert_allclose(encoder.encode_late(windows).vectors, expected, atol=2e-3)
    assert len(set(shapes)) <= 13  # the lengths that are filled up to, until 48
    encoder.encode_queries(["law"])
    assert shapes[-1] == (1, 4)


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_modules_after_the_pooling_are_a_graph_of_their_own(folder: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Dense

    (folder / "2_Dense").mkdir()
    Dense(32, 12).save(str(folder / "2_Dense"))
    modules = json.loads((folder / "modules.json").read_text())
    dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    write_json(folder / "modules.json", [*modules[:2], dense])
    torch = load_encoder(str(folder), backend="torch")
    openvino = load_encoder(str(folder), backend="openvino", precision="fp32")
    assert torch.dimensions == openvino.dimensions == 12
    alone = openvino.encode_queries(TEXTS).vectors
    np.testing.assert_allclose(alone, torch.encode_queries(TEXTS).vectors, atol=1e-4)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: openvino.encode_queries([text]).vectors[0], TEXTS * 5))
    np.testing.assert_allclose(found, np.concatenate([alone] * 5), atol=1e-4)


@pytest.mark.usefixtures("real_machine")
def test_a_conversion_is_kept_and_a_damaged_one_made_again(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_encoder(str(folder), backend="openvino", precision="int8").encode_queries(TEXTS).vectors
    (place,) = (own_cache / "models").iterdir()
    assert is_whole(place)
    with monkeypatch.context() as patch:
        patch.setattr("retrieve.encoders.openvino.convert.convert", None)  # not to be called
        again = load_encoder(str(folder), backend="openvino", precision="int8").encode_queries(TEXTS).vectors
    assert again.tobytes() == first.tobytes()
    weights = place / "model.bin"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    assert not is_whole(place)
    repaired = load_encoder(str(folder), backend="openvino", precision="int8").encode_queries(TEXTS).vectors
    assert is_whole(place)
    assert repaired.tobytes() == first.tobytes()  # calibration is the same each time


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_results_do_not_depend_on_the_requests_in_flight(folder: Path) -> None:
    encoder = load_encoder(str(folder), backend="openvino", precision="fp32")
    whole = encoder.encode_queries(TEXTS).vectors
    backend = encoder._ready()
    backend._requests = 1  # type: ignore[attr-defined]
    assert encoder.encode_queries(TEXTS).vectors.tobytes() == whole.tobytes()


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_many_full_batches_of_the_longest_texts_get_a_graph_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle is the graph for any length, to the bit; one whose numbers are others is not taken."""
    from retrieve.encoders.openvino import backend as openvino_backend

    monkeypatch.setattr(openvino_backend, "BATCH_TOKENS", 100)
    monkeypatch.setattr(openvino_backend, "OFTEN", 8)
    texts = [" ".join(WORDS[start : start + 40]) for start in range(20)]  # seven batches of three
    encoder = load_encoder(str(folder), backend="openvino", precision="int8", limit=32, normalize=False)
    backend = encoder._ready()
    assert isinstance(backend, openvino_backend.OpenVINOEncoder)
    for word in WORDS[:40]:
        encoder.encode_queries([word])
    first = encoder.encode_queries(texts).vectors
    encoder.encode_queries(texts[:3])
    longest = backend._longest
    assert longest is not None
    assert (longest._full, longest._batches) == (8, 48)
    assert longest._made is None  # they are eight, but no quarter
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: encoder.encode_queries(texts).vectors, range(8)))
    assert longest._made is not None
    assert longest._made.result() is not None
    taken: list[object] = []
    graph = longest.graph
    with monkeypatch.context() as patch:
        patch.setattr(longest, "graph", lambda *asked: taken.append(graph(*asked)) or taken[-1])
        found.append(encoder.encode_queries(texts).vectors)
    assert taken == [longest._made.result()] * 7
    assert all(one.tobytes() == first.tobytes() for one in found)

    other = load_encoder(
        str(folder), backend="openvino", precision="int8", limit=32, normalize=False, device="cpu"
    )  # another model in memory than the one above
    refusing = other._ready()
    assert isinstance(refusing, openvino_backend.OpenVINOEncoder)
    monkeypatch.setattr(refusing, "_hidden", lambda *_: np.random.default_rng().random(3))
    for _ in range(2):
        other.encode_queries(texts)
    assert refusing._longest is not None
    assert refusing._longest._made is not None
    assert refusing._longest._made.result() is None
    assert other.encode_queries(texts).vectors.tobytes() == first.tobytes()
    exact = load_encoder(str(folder), backend="openvino", precision="fp32", limit=32)._ready()
    assert isinstance(exact, openvino_backend.OpenVINOEncoder)
    assert exact._longest is None


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_a_failed_conversion_leaves_nothing_behind(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such operation: aten::nonsense")

    monkeypatch.setattr(openvino, "convert_model", refuse)
    with pytest.raises(EncoderError, match=r"OpenVINO cannot convert .*bert.*nonsense.*backend = \"torch\""):
        load_encoder(str(folder), backend="openvino", precision="fp32").encode_queries(["law"])
    assert not any((own_cache / "models").iterdir())


def test_the_query_path_loads_neither_torch_nor_transformers(folder: Path, own_cache: Path) -> None:
    program = (
        "import sys; from retrieve.encoders.load import load_encoder;"
        f"e = load_encoder({str(folder)!r}, backend='openvino', precision='fp32');"
        "e.encode_queries(['law']);"
        "print([name for name in ('torch', 'transformers', 'nncf') if name in sys.modules])"
    )
    environment = os.environ | {"RETRIEVE_CACHE": str(own_cache)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert runs[1].stdout == "[]\n"  # the first converts, which takes torch


def test_the_calibration_sample_is_text_of_many_lengths() -> None:
    lengths = [len(text.split()) for text in calibration_texts()]
    assert len(lengths) >= 100
    assert min(lengths) < 10
    assert max(lengths) > 50


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_an_index_of_another_int8_graph_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dense = {"model": str(folder), "backend": "openvino", "precision": "int8"}
    recipe = load_recipe({"name": "t", "dense": dense})
    with Index.create(tmp_path / "a.index", recipe) as index, index.writer() as writer:
        writer.add([Document("1", "law"), Document("2", "court")])
    before = bench._name("set", recipe)
    with Index.open(tmp_path / "a.index") as index:
        index.search("law")
    assert "int8 graph" not in caplog.text
    monkeypatch.setattr(text_model, "calibration_digest", lambda: "another")
    with Index.open(tmp_path / "a.index") as index:
        assert index.search("law")
        assert "an int8 graph that this version makes otherwise" in caplog.text
    caplog.clear()
    with Index.open(tmp_path / "a.index", backend="torch", precision="fp32") as index:
        index.search("law")
    assert "int8 graph" not in caplog.text
    assert bench._name("set", recipe) != before  # a collection is encoded anew


@pytest.mark.skipif(sys.platform != "linux", reason="signal stacks are looked at on Linux alone")
@pytest.mark.usefixtures("own_cache", "real_machine")
def test_a_thread_keeps_its_own_signal_stack(folder: Path) -> None:
    """The plugin's own would be freed with its last core, and the next signal end the process: seen of 2026.4.1."""
    seen: list[int | None] = []

    def look() -> None:
        seen.append(signal_stack().at)
        encoder = load_encoder(str(folder), backend="openvino", precision="int8", limit=16)  # converted here
        encoder.encode_queries(["law"])
        seen.append(signal_stack().at)
        del encoder
        seen.append(signal_stack().at)

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [seen[0]] * 3
