"""Cross-encoder scores are the logits that sentence-transformers computes, in any order, from any thread."""

from __future__ import annotations

import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, tiny_bare_folder, tiny_cross_encoder_folder, tiny_encoder_folder

from retrieve.encoders.rerank import CrossEncoder
from retrieve.errors import EncoderError, InputError

QUERY = "the effect of heat on a wing"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder_folder(tmp_path_factory.mktemp("rerank") / "model")


@pytest.fixture(scope="module")
def peer(folder: Path) -> Any:
    import sentence_transformers
    from torch import nn

    return sentence_transformers.CrossEncoder(
        str(folder), activation_fn=nn.Identity(), device="cpu", local_files_only=True
    )


def texts(count: int, longest: int = 150) -> list[str]:
    random = np.random.default_rng(5)
    return [" ".join(random.choice(WORDS, random.integers(0, longest))) for _ in range(count)]


def test_scores_are_those_of_sentence_transformers_cut_or_not(folder: Path, peer: Any) -> None:
    passages = texts(50)
    scores = CrossEncoder.load(str(folder)).score(QUERY, passages)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, peer.predict([(QUERY, text) for text in passages]), atol=1e-5)


def test_a_folder_that_sentence_transformers_saved_is_read(folder: Path, peer: Any, tmp_path: Path) -> None:
    peer.save_pretrained(str(tmp_path / "saved"))
    again = CrossEncoder.load(str(tmp_path / "saved")).score(QUERY, texts(5))
    assert again.tolist() == CrossEncoder.load(str(folder)).score(QUERY, texts(5)).tolist()


@pytest.mark.parametrize(("default", "prompt"), [("find", "the wing of "), ("none", ""), (None, "")])
def test_the_default_prompt_stands_before_the_query(
    default: str | None, prompt: str, folder: Path, peer: Any, tmp_path: Path
) -> None:
    peer.save_pretrained(str(tmp_path))
    settings = tmp_path / "config_sentence_transformers.json"
    prompts = {"prompts": {"find": "the wing of ", "none": ""}, "default_prompt_name": default}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | prompts))
    found = CrossEncoder.load(str(tmp_path))
    pairs = [(QUERY, text) for text in texts(5)]
    theirs = type(peer)(str(tmp_path), device="cpu", local_files_only=True).predict(
        pairs, activation_fn=peer.activation_fn
    )
    np.testing.assert_allclose(found.score(QUERY, [text for _, text in pairs]), theirs, atol=1e-5)
    assert found.prompt == prompt


def test_a_default_prompt_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    settings = tmp_path / "model" / "config_sentence_transformers.json"
    settings.write_text(json.dumps({"prompts": {}, "default_prompt_name": "find"}))
    with pytest.raises(EncoderError, match="names the default prompt 'find'"):
        CrossEncoder.load(str(tmp_path / "model"))


def test_truncation_is_counted_and_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    scorer = CrossEncoder.load(str(folder), limit=20)
    with caplog.at_level(logging.WARNING, "retrieve"):
        scorer.score("law", ["court", "court " * 15])
        assert (scorer.truncated_pairs, len(caplog.records)) == (0, 0)
        scorer.score("law", ["court " * 17, "court " * 16])
        scorer.score("law", ["court " * 17])
    assert (scorer.truncated_pairs, len(caplog.records)) == (2, 1)


def test_what_takes_time_is_said_before(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "retrieve"):
        CrossEncoder.load(str(folder))
    assert caplog.messages[0] == f"loading reranker {folder} from {folder}"


def test_no_texts_no_scores(folder: Path) -> None:
    assert CrossEncoder.load(str(folder)).score(QUERY, []).shape == (0,)


def test_eight_threads_agree_with_one(folder: Path) -> None:
    scorer, passages = CrossEncoder.load(str(folder)), texts(12)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: scorer.score(query, passages).tolist(), WORDS[:24]))
    assert found == [scorer.score(query, passages).tolist() for query in WORDS[:24]]


def test_what_is_no_cross_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    with pytest.raises(EncoderError, match="wanted a transformer alone, of a cross-encoder"):
        CrossEncoder.load(str(tiny_encoder_folder(tmp_path / "encoder")))
    with pytest.raises(EncoderError, match="lack 2 tensors, such as classifier"):
        CrossEncoder.load(str(tiny_bare_folder(tmp_path / "bare")))
    coded = Path(shutil.copytree(folder, tmp_path / "coded"))
    (coded / "model.py").touch()
    with pytest.raises(EncoderError, match="holds code"):
        CrossEncoder.load(str(coded))
    three = Path(shutil.copytree(folder, tmp_path / "three"))
    config = BertConfig.from_pretrained(folder, num_labels=3)
    BertForSequenceClassification(config).save_pretrained(three)
    with pytest.raises(EncoderError, match="3 scores for a pair, wanted 1"):
        CrossEncoder.load(str(three))


def test_a_text_that_is_no_unicode_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="text 1 holds a lone surrogate at character 0"):
        CrossEncoder.load(str(folder)).score(QUERY, ["fine", "\udfff"])
