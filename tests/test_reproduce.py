"""Scripts that hold published figures against ours: what they print, when they fail; MS MARCO's on a small scale."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retrieve.errors import InputError
from retrieve.reproduce import Case, Check, Expected, near, reproduce

ROOT = Path(__file__).parent.parent


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RETRIEVE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "toy"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": str(number), "text": f"word{number} of the law"} for number in range(20)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    queries = [{"_id": f"q{number}", "text": f"word{number}"} for number in range(20)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)) + "\n")
    judged = "".join(f"q{number}\t{number}\t1\n" for number in range(19))
    (folder / "qrels/test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}q19\t3\t1\n")
    return folder


def test_figures_in_and_out_of_their_range(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = Case("bm25", [near("nDCG@10", 0.95, "a paper", 0.001)])
    assert reproduce("A toy.", "toy", [good], arguments=[]) == 0
    said = capsys.readouterr().out
    assert "ok      0.9500 in 0.9490 … 0.9510  nDCG@10 (published 0.95, a paper)" in said
    wrong = Case("bm25", [Expected("RR@10", 0.99, "another", 0.98)], name="as they say")
    higher = [Check("above all", 0.1, 0.2)]
    assert reproduce("A toy.", "toy", [wrong], lambda _: higher, arguments=[]) == 1
    said = capsys.readouterr().out
    assert "toy as they say" in said and said.count("MISSED") == 2
    assert reproduce("A toy.", "elsewhere", [good], arguments=[str(collection), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cases"]["bm25"]["nDCG@10"] == 0.95 and found["missed"] == []
    assert reproduce("A toy.", "toy", [wrong], lambda _: higher, arguments=["--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["missed"]) == 2 and found["checks"][0]["good"] is False


def test_an_empty_collection_is_no_figure(collection: Path) -> None:
    (collection / "corpus.jsonl").write_text("")
    with pytest.raises(InputError, match="toy: its collection holds no document"):
        reproduce("A toy.", "toy", [Case("bm25", [near("RR", 1.0, "x", 0.1)])], arguments=[])


def test_without_data_it_says_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETRIEVE_DATA", raising=False)
    with pytest.raises(SystemExit, match="name the folder of toy, or set RETRIEVE_DATA"):
        reproduce("A toy.", "toy", [], arguments=[])


def _script(name: str, *arguments: object, home: Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "eval" / name), *map(str, arguments), "--json"],
        env=os.environ | {"RETRIEVE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.stdout.startswith("{"), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.long
def test_msmarco_from_its_real_topics(tmp_path: Path) -> None:
    """The judged topics of two TREC tracks, and some of the dev set, over passages made of their words: in MS MARCO's
    own layout, by every script, as far as a run whose figures are not those of the real passages.
    """
    data = os.environ.get("RETRIEVE_DATA")
    if data is None:
        pytest.skip("RETRIEVE_DATA is unset: MS MARCO's topics are not there")
    folder = _small_msmarco(tmp_path / "msmarco", Path(data) / "msmarco-topics")
    status, found = _script("trec_dl.py", folder, home=tmp_path / "home")
    assert status == 1 and len(found["missed"]) > 3
    cases = found["cases"]
    assert list(cases) == ["dl19", "dl19 tuned", "dl20", "dl20 tuned"]
    assert (cases["dl19"]["queries"], cases["dl20"]["queries"]) == (43, 54)
    assert all(0.5 < case["nDCG@10"] <= 1 and 0.5 < case["AP(rel=2)"] <= 1 for case in cases.values())
    status, found = _script("msmarco_passage.py", folder, home=tmp_path / "home")
    assert status == 1
    assert [case["queries"] for case in found["cases"].values()] == [200, 200]
    assert all(case["RR@10"] > 0.9 for case in found["cases"].values())


def _small_msmarco(folder: Path, topics: Path) -> Path:
    """A passage for each judged one: words of its topic where it is relevant, of other topics where it is not."""
    folder.mkdir()
    chance = random.Random(0)
    words = (topics / "topics.dl19-passage.txt").read_text().split()
    passages: dict[str, str] = {}
    for name in ("dl19-passage", "dl20-passage", "msmarco-passage.dev-subset"):
        queries = topics / f"topics.{name.replace('dl20-passage', 'dl20')}.txt"
        texts = dict(line.split("\t") for line in queries.read_text().splitlines())
        judged = [line.split() for line in (topics / f"qrels.{name}.txt").read_text().splitlines()]
        if "dev" in name:
            chosen = sorted({row[0] for row in judged})[:200]
            judged = [row for row in judged if row[0] in set(chosen)]
            (folder / "queries.dev.small.tsv").write_text(
                "".join(f"{query}\t{texts[query]}\n" for query in chosen)
            )
            (folder / "qrels.dev.small.tsv").write_text("".join("\t".join(row) + "\n" for row in judged))
        else:
            for part in (queries, topics / f"qrels.{name}.txt"):
                (folder / part.name).write_bytes(part.read_bytes())
        for query, _, passage, grade in judged:
            noise = chance.choices(words, k=8)
            passages[passage] = " ".join([texts[query], *noise] if int(grade) > 0 else noise)
    (folder / "collection.tsv").write_text("".join(f"{key}\t{text}\n" for key, text in passages.items()))
    return folder
