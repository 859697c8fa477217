"""`bench --peers`: processes, figures, their form, and what is said of who does not run."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toy_collection import toy_collection
from toy_peer import Dies, Raises, WordCount, listed

from retrieve.cli import main
from retrieve.errors import RetrieveError, UsageError
from retrieve.peers import contest, registry
from retrieve.peers.contest import Contest
from retrieve.peers.figures import RESOURCES
from retrieve.peers.registry import Listed, choose_peers, register_peer
from retrieve.recipe import load_recipe

MEASURES = ("nDCG@10", "RR@10")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_collection(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> dict[str, Listed]:
    """No peer but those that a test puts here."""
    peers: dict[str, Listed] = {}
    monkeypatch.setattr(registry, "_LISTED", peers)
    monkeypatch.setattr(contest, "ROUNDS", 1)
    monkeypatch.setattr(registry, "_registered", {})
    return peers


def call(home: Path, *arguments: object, status: int = 0) -> Result:
    environment = {"RETRIEVE_HOME": str(home)}
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)
    assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
    return result


@pytest.mark.long
def test_ours_and_peers_are_measured_on_the_same_queries(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    register_peer("toy", listed(WordCount))
    register_peer("toy", listed(WordCount))
    with pytest.raises(UsageError, match="'toy' already"):
        register_peer("toy", listed(Raises))
    measures = [word for name in MEASURES for word in ("-m", name)]
    asked = ("bench", data, "--recipe", "bm25", "--peers", "bm25s,rank-bm25,toy", "-k", 20, *measures)
    before = dict(os.environ)
    report = json.loads(call(tmp_path, *asked, "--json").stdout)
    found = report["peers"]
    assert set(found) == {"machine", "rounds", "k", "passages", "ours", "peers", "not_run"}
    assert found["not_run"] == {} and found["passages"] == 60 and list(found["ours"]) == ["bm25"]
    own = found["ours"]["bm25"]
    assert {name: own[name] for name in MEASURES} == {name: report[name] for name in MEASURES}
    assert list(found["peers"]) == ["bm25s", "rank-bm25", "toy"]
    for name, made in found["peers"].items():
        assert made["view"] == "bm25" and made["differences"]
        assert made["ratios"].keys() == {*MEASURES, *RESOURCES}
        assert made["peak_memory_mib"] > 10 and made["p50_ms"] <= made["p99_ms"]
        assert len(made["queries_per_second_by_round"]) == found["rounds"]
        assert (made["bytes_per_document"] is None) == (name == "rank-bm25")
        assert made["ratios"]["nDCG@10"] == pytest.approx(made["nDCG@10"] / own["nDCG@10"], abs=1e-3)
    assert found["peers"]["bm25s"]["nDCG@10"] == pytest.approx(own["nDCG@10"])  # the same scores
    assert found["peers"]["toy"]["version"] is None
    assert dict(os.environ) == before
    assert not multiprocessing.active_children()


def test_the_table_has_ratios_and_says_what_differs_and_who_is_missing(
    data: Path, tmp_path: Path, alone: dict[str, Listed]
) -> None:
    alone["toy"] = listed(WordCount)
    alone["gone"] = Listed("nowhere:Gone", "bm25", ["no_such_module"], "gone", "pip install gone")
    result = call(tmp_path, "bench", data, "--recipe", "bm25", "-k", 5, "-m", "nDCG@10", "--peers")
    table = [line.split("\t") for line in result.stdout.splitlines()[-3:]]
    assert table[0][:3] == ["", "nDCG@10", "index seconds"]
    assert [row[0] for row in table[1:]] == ["ours: bm25", "toy: bm25"]
    assert "(" not in table[1][1] and table[2][1].endswith(")")
    assert "toy: it counts words" in result.stderr
    assert "not run: gone is not installed: pip install gone" in result.stderr
    missing = call(tmp_path, "bench", data, "--recipe", "bm25", "--peers", "gone", status=1)
    assert "gone is not installed: pip install gone" in missing.stderr


def test_a_peer_that_fails_is_named_and_the_others_go_on(
    data: Path, alone: dict[str, Listed], caplog: pytest.LogCaptureFixture
) -> None:
    alone.update({"raises": listed(Raises), "dies": listed(Dies), "toy": listed(WordCount)})
    found = Contest("bm25").run(data, k=5, measures=["nDCG@10"])
    assert list(found["peers"]) == ["toy"]
    assert found["not_run"]["raises"] == "raises failed: ValueError: no room for texts"
    assert found["not_run"]["dies"] == "dies failed: its process ended with status 3: assertion failed"
    with pytest.raises(RetrieveError, match="no room for texts"):
        Contest("bm25", names=["toy", "raises"]).run(data, k=5, measures=["nDCG@10"])
    assert not multiprocessing.active_children()


@pytest.mark.long
def test_views_of_a_fusion_are_compared_one_by_one(
    data: Path, tmp_path: Path, alone: dict[str, Listed]
) -> None:
    from tiny_models import tiny_encoder_folder

    alone.update({"toy": listed(WordCount), "other": listed(WordCount, "dense")})
    overrides = [
        f"dense.model={tiny_encoder_folder(tmp_path / 'model')}",
        "dense.backend=torch",
        "dense.precision=fp32",
        "passages.overlap=4",
    ]
    found: dict[str, Any] = Contest("hybrid", overrides).run(data, k=10, measures=["nDCG@10"])
    assert list(found["ours"]) == ["bm25", "dense", "hybrid"]
    assert {name: made["view"] for name, made in found["peers"].items()} == {"toy": "bm25", "other": "dense"}
    views = found["ours"]
    assert views["hybrid"]["bytes_per_document"] > views["bm25"]["bytes_per_document"] > 0
    assert found["peers"]["other"]["ratios"]["nDCG@10"] == pytest.approx(
        found["peers"]["other"]["nDCG@10"] / views["dense"]["nDCG@10"], abs=1e-3
    )


def test_what_cannot_be_compared_is_refused_before_anything_is_built(data: Path, tmp_path: Path) -> None:
    for wrong, said in (
        (("--peers", "lucine"), "no peer 'lucine'"),
        (("--peers", "faiss"), "faiss is a peer of the view dense"),
        (("--peers", "bm25s", "--where", '{"n": 1}'), "peers have no where"),
        (("--peers", "bm25s", "--aggregate", "sum"), "best passage"),
        (("--recipe", "uhd", "--peers"), "leave out --peers"),
    ):
        recipe = () if "--recipe" in wrong else ("--recipe", "bm25")
        assert said in call(tmp_path, "bench", data, *recipe, *wrong, status=2).stderr
    assert not list(tmp_path.iterdir())
    wanted = {"bm25s", "rank-bm25", "lucene", "tantivy", "pisa"}
    chosen = choose_peers(load_recipe("bm25"))
    assert {*chosen.peers, *chosen.not_run} == wanted and chosen.views == {"bm25"}
    assert {"bm25s", "rank-bm25"} <= chosen.peers.keys()
