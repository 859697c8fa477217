"""Verbs that answer and measure, on a small collection with a tiny random encoder: formats, figures, wrong usage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_calls import answer, call
from tiny_models import tiny_cross_encoder_folder, tiny_encoder_folder

from retrieve import Document, Index
from retrieve.cli.output import one_line, print_json, snippet
from retrieve.cli.progress import Lines
from retrieve.corpora.pydocs import PythonDocs
from retrieve.errors import IndexCorrupt
from retrieve.measures.fuse import fuse_runs
from retrieve.trec import read_run

WORDS = (
    "law",
    "court",
    "act",
    "article",
    "cell",
    "protein",
    "blood",
    "gene",
    "wing",
    "flow",
    "heat",
    "value",
)
QUERIES = {"q1": "court law", "q2": "protein cell", "q3": "heat flow", "q4": "zebra"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a BEIR folder `data`, and the indexes `words` (BM25) and `both` (hybrid) of it."""
    place = tmp_path_factory.mktemp("cli")
    random = np.random.default_rng(0)
    data = place / "data"
    (data / "qrels").mkdir(parents=True)
    documents = [
        {"_id": f"d{n:02}", "title": f"{WORDS[n % 12]}", "text": " ".join(random.choice(WORDS, 12)), "n": n}
        for n in range(40)
    ]
    write_lines(data / "corpus.jsonl", documents)
    write_lines(data / "queries.jsonl", [{"_id": name, "text": text} for name, text in QUERIES.items()])
    rows = [f"{name}\td{n:02}\t{1 + n % 2}" for name in ("q1", "q2", "q4") for n in range(0, 40, 7)]
    (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows) + "\n")
    tiny_encoder_folder(place / "model")
    tiny_cross_encoder_folder(place / "cross")
    for name, recipe in (("words", "bm25"), ("both", "hybrid")):
        model = [f"dense.model={place / 'model'}", "passages.overlap=4"] if recipe == "hybrid" else []
        with Index.create(place / name, recipe, model) as index, index.writer() as writer:
            writer.add(documents)
    return place


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(place))


def write_lines(path: Path, values: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


def test_search_prints_what_the_library_found(place: Path) -> None:
    with Index.open(place / "both") as index:
        wanted = [(hit.doc_id, hit.score) for hit in index.search("court law", 5)]
    found = answer("search", "both", "court law", "-k", 5)
    assert [(hit["doc_id"], hit["score"]) for hit in found["hits"]] == wanted
    assert {"query": "court law", "k": 5, "index": str(place / "both")}.items() <= found.items()
    assert set(found["hits"][0]["scores"]) <= {"bm25", "dense"}
    lines = call("search", "both", "court law", "-k", 5).stdout.splitlines()
    assert [json.loads(line)["doc_id"] for line in lines] == [doc_id for doc_id, _ in wanted]
    tsv = call("search", "both", "-", "-k", 5, "--format", "tsv", stdin="court law\n").stdout.splitlines()
    assert [line.split("\t")[2] for line in tsv] == [doc_id for doc_id, _ in wanted]
    trec = call("search", "both", "court law", "-k", 5, "--format", "trec").stdout.splitlines()
    assert [line.split()[2] for line in trec] == [doc_id for doc_id, _ in wanted]


def test_a_question_on_standard_input_that_is_not_utf8() -> None:
    assert "standard input: byte 5" in call("search", "words", "-", stdin=b"law \xff", status=1).stderr


def test_a_row_for_a_pipe_stays_one_row(tmp_path: Path) -> None:
    with Index.create(tmp_path / "odd", "bm25") as index, index.writer() as writer:
        writer.add([Document("a\tb\x1b[31m", "law", "one\ntwo\tthree")])
    row = call("search", tmp_path / "odd", "law", "--format", "tsv").stdout
    assert row.split("\t")[2:] == ["a b [31m", "one two three\n"]


def test_json_of_a_path_that_is_not_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"index": "caf\udce9 é"})
    printed = capsys.readouterr().out
    assert printed == '{"index": "caf\\udce9 é"}\n'
    assert json.loads(printed) == {"index": "caf\udce9 é"}


def test_the_table_shows_what_was_found() -> None:
    table = call("search", "words", "court law", "-k", 1, "--format", "table", "--explain").stdout
    hit = answer("search", "words", "court law", "-k", 1)["hits"][0]
    head, snippet, scores, *_ = table.splitlines()
    assert hit["doc_id"] in head and hit["title"] in head
    assert snippet.strip() == hit["snippet"]
    assert "bm25" in scores
    assert "court " in table.splitlines()[-1]  # what the term contributed


@pytest.mark.parametrize(
    "options",
    [
        {"--using": "dense"},
        {"--using": "bm25,dense", "--fusion": "rrf"},
        {"--weights": "bm25=1,dense=3", "--depth": 20},
        {"--k1": 1.2, "--b": 0.75, "--using": "bm25"},
        {"--where": '{"n": {"lt": 10}}'},
        {"--aggregate": "mean"},
        {"--unit": "passage"},
    ],
    ids=str,
)
def test_search_options_reach_the_library(place: Path, options: dict[str, Any]) -> None:
    kept = {name.lstrip("-"): value for name, value in options.items()}
    if "weights" in kept:
        kept["weights"] = {"bm25": 1, "dense": 3}
    if "," in kept.get("using", ""):
        kept["using"] = ["bm25", "dense"]
    with Index.open(place / "both") as index:
        wanted = [(hit.doc_id, hit.score) for hit in index.search("court law", 3, **kept)]
        plain = [(hit.doc_id, hit.score) for hit in index.search("court law", 3)]
    flat = [part for option in options.items() for part in option]
    found = answer("search", "both", "court law", "-k", 3, *flat)["hits"]
    assert [(hit["doc_id"], hit["score"]) for hit in found] == wanted
    assert wanted != plain or options.keys() & {"--aggregate", "--unit"}  # one passage a document here


def test_explanations_are_those_of_the_search_that_was_asked_for() -> None:
    options = ("--where", '{"n": {"lt": 10}}', "-k", 3, "--explain")
    for hit in answer("search", "both", "court law", *options)["hits"]:
        assert (hit["explain"]["rank"], hit["explain"]["score"]) == (hit["rank"], hit["score"])


def test_reranking_by_a_cross_encoder(place: Path) -> None:
    hits = answer("search", "both", "court law", "-k", 3, "--rerank", place / "cross")["hits"]
    assert all(hit["score"] == hit["scores"]["rerank"] for hit in hits)


def test_a_run_is_reranked_like_a_search(place: Path) -> None:
    (place / "one.tsv").write_text("q\tcourt law\n")
    found = answer("search", "both", "court law", "-k", 3, "--rerank", place / "cross")["hits"]
    answer(
        "run", "both", place / "one.tsv", "--out", place / "cross.run", "-k", 3, "--rerank", place / "cross"
    )
    lines = [line.split() for line in (place / "cross.run").read_text().splitlines()]
    assert [line[2] for line in lines] == [hit["doc_id"] for hit in found]
    assert [float(line[4]) for line in lines] == pytest.approx([hit["score"] for hit in found])


WRONG_USAGE = {
    "k of 0": (["search", "words", "law", "-k", "0"], "k is 0"),
    "empty text": (["search", "words", "  "], "query text"),
    "unknown view": (["search", "words", "law", "--using", "splade"], "views ['bm25']"),
    "unknown fusion": (["search", "both", "law", "--fusion", "mean"], "fusion"),
    "weights without =": (["search", "both", "law", "--weights", "bm25"], "view=number"),
    "filter": (["search", "words", "law", "--where", "[]"], "where"),
    "two formats": (["search", "words", "law", "--json", "--format", "tsv"], "choose one"),
    "passages as a run": (
        ["search", "words", "law", "--format", "trec", "--unit", "passage"],
        "retrieve run",
    ),
    "explained passages": (["search", "words", "law", "--explain", "--unit", "passage"], "documents"),
    "run on two outputs": (["run", "words", "q.tsv", "--out", "-", "--json"], "name a file"),
    "one run": (["fuse", "a.run", "--out", "b.run"], "two or more"),
    "tuned weights": (["fuse", "a", "b", "--out", "c", "--tune", "q", "--weights", "1,1"], "--tune"),
    "weights": (["fuse", "a", "b", "--out", "c", "--weights", "x,1"], "one number for each run"),
    "unknown verb": (["serach"], "No such command 'serach' (did you mean 'search'?)"),
    "unknown verb of a group": (["index", "creat", "x"], "(did you mean 'create'?)"),
    "a verb like no other": (["zzz"], "No such command 'zzz'."),
    "misspelt option": (["search", "words", "law", "--usign", "bm25"], "--using"),
    "misspelt view": (["search", "words", "law", "--using", "bm52"], "did you mean 'bm25'?"),
    "misspelt view's weight": (["search", "both", "law", "--weights", "dnse=1"], "did you mean 'dense'?"),
    "no words": (["search", "words"], "wanted a TEXT"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage_exits_with_2(arguments: list[str], said: str) -> None:
    result = call(*arguments, status=2)
    assert result.stdout == ""
    assert said in result.stderr


def test_a_misspelt_recipe_or_key_is_told_what_was_meant() -> None:
    misspelt = call("index", "create", "x", "--recipe", "hybird", status=1).stderr
    assert "no recipe 'hybird' (did you mean 'hybrid'" in misspelt
    misspelt = call("index", "create", "x", "--recipe", "bm25", "--set", "passages.szie=3", status=1).stderr
    assert "unknown key 'passages.szie' (did you mean 'size'?)" in misspelt


def test_failures_exit_with_1(place: Path, tmp_path: Path) -> None:
    assert "no index" in call("search", "nowhere", "x", status=1).stderr
    assert "cannot be read" in call("evaluate", tmp_path / "no.run", place / "data", status=1).stderr
    broken = tmp_path / "bad.run"
    broken.write_text("q1 Q0 d01 1 nan tag\n")
    assert "bad.run:1" in call("evaluate", broken, place / "data", status=1).stderr
    assert (
        "cannot be written"
        in call("run", "words", place / "data", "--out", tmp_path / "no" / "x.run", status=1).stderr
    )
    other = tiny_encoder_folder(tmp_path / "other", seed=1)
    assert "fingerprint" in call("search", "both", "law", "--model", other, status=1).stderr


def test_run_then_evaluate_gives_what_bench_gives(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "words.run"
    ran = call("run", "words", place / "data", "--out", out, "--json", "--tag", "mine")
    report = json.loads(ran.stdout)
    assert {"queries": 4, "silent": {"bm25": 1}, "run": str(out), "k": 1000}.items() <= report.items()
    assert "bm25 found nothing for 1 query: q4" in ran.stderr
    assert out.read_text().split("\n")[0].endswith(" mine")
    assert call("run", "words", place / "data", "--out", "-", "--tag", "mine").stdout == out.read_text()
    evaluated = call("evaluate", out, place / "data", "--json")
    measured = json.loads(evaluated.stdout)
    assert {"queries": 3, "missing": 1, "ignored": 1}.items() <= measured.items()
    assert "1 judged queries have no hits" in evaluated.stderr
    assert "1 queries of the run have no judgments" in evaluated.stderr
    benched = answer("bench", place / "data", "--recipe", "bm25")
    for name in ("nDCG@10", "R@100", "AP", "RR@10"):
        assert benched[name] == pytest.approx(measured[name], abs=1e-12)
    assert answer("evaluate", out, place / "data" / "qrels" / "test.tsv")["AP"] == measured["AP"]


def test_evaluate_prints_measures_as_named(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "words.run"
    call("run", "words", place / "data", "--out", out)
    arguments = ("evaluate", out, place / "data", "-m", "MAP", "-m", "mrr@10", "--relevance-level", 2)
    lines = call(*arguments).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["measure", "AP(rel=2)", "RR(rel=2)@10"]
    rows = [line.split("\t") for line in call(*arguments, "--per-query").stdout.splitlines()]
    assert ["AP(rel=2)", "q4", "0.0000"] in rows
    means = {name: float(value) for name, query, value in rows[1:] if query == "all"}
    values = [float(value) for name, query, value in rows[1:] if name == "AP(rel=2)" and query != "all"]
    assert means["AP(rel=2)"] == pytest.approx(np.mean(values), abs=1e-4)
    assert answer(*arguments, "--retrieved-only")["queries"] == 2


def test_fuse_writes_the_fusion_and_tunes(place: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "bm25.run", tmp_path / "dense.run"]
    for run in runs:
        call("run", "both", place / "data", "--out", run, "--using", run.stem)
    out = tmp_path / "fused.run"
    fused = answer("fuse", *runs, "--out", out, "--weights", "0.2,0.8", "--depth", 10)
    assert (fused["method"], fused["weights"], fused["queries"]) == ("convex", [0.2, 0.8], 4)
    wanted = fuse_runs([read_run(run) for run in runs], "convex", [0.2, 0.8], 10)
    assert {name: list(scores) for name, scores in read_run(out).items()} == {
        name: [doc_id for doc_id, _ in ranking] for name, ranking in wanted
    }
    tuned = answer("fuse", *runs, "--out", out, "--tune", place / "data", "--measure", "AP")
    best = answer("evaluate", out, place / "data")["AP"]
    assert tuned["tuned"]["AP"] == pytest.approx(max(tuned["tuned"]["grid"].values()))
    assert best == pytest.approx(tuned["tuned"]["AP"], abs=1e-6)
    call("fuse", *runs, "--out", out, "--method", "mean", status=2)
    before = runs[0].read_bytes()
    assert "is one of the runs" in call("fuse", *runs, "--out", runs[0], status=2).stderr
    assert runs[0].read_bytes() == before
    assert f"{out}: 2 runs fused, 4 queries" in call("fuse", *runs, "--out", out).stderr
    assert "1 weights for 2 rankings" in call("fuse", *runs, "--out", out, "--weights", "1", status=2).stderr


def test_bench_of_a_fusion_reports_its_parents(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.run"
    hybrid = ("--recipe", "hybrid", "--set", f"dense.model={place / 'model'}", "--set", "passages.overlap=4")
    report = answer("bench", place / "data", *hybrid, "--out", out, "-m", "nDCG@10")
    assert {"queries": 3, "dataset": "data", "recipe": "hybrid", "documents": 40, "missing": 0}.items() <= (
        report.items()
    )
    assert isinstance(report["seconds"], float)
    assert report["not_indexed"] == 0
    assert list(report["views"]) == ["bm25", "dense"]
    for view in report["views"].values():
        assert {"nDCG@10", "queries", "dataset", "recipe", "seconds"} <= set(view)
    assert answer("evaluate", out, place / "data", "-m", "nDCG@10")["nDCG@10"] == pytest.approx(
        report["nDCG@10"]
    )
    table = call("bench", place / "data", *hybrid, "-m", "nDCG@10")
    assert [line.split("\t")[0] for line in table.stdout.splitlines()] == ["", "bm25", "dense", "hybrid"]
    assert "0 documents added, 0 updated, 40 as they were" in table.stderr


def test_bench_searches_by_the_settings_of_this_call(place: Path) -> None:
    """An index that is used again has the search settings of its first recipe in its manifest."""
    flat = ("bench", place / "data", "--recipe", "bm25", "-m", "AP")
    first = answer(*flat)
    second = answer(*flat, "--set", "search.bm25.k1=0", "--set", "search.bm25.b=0")
    assert first["index"] == second["index"]
    assert first["AP"] != second["AP"]
    assert second["AP"] == answer(*flat, "--k1", 0, "--b", 0)["AP"]


def test_bench_follows_a_collection_that_lost_a_document(place: Path, tmp_path: Path) -> None:
    data = tmp_path / "shrinking"
    (data / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        (data / name).write_bytes((place / "data" / name).read_bytes())
    arguments = ("bench", data, "--recipe", "bm25", "-m", "AP")
    assert answer(*arguments)["documents"] == 40
    lines = (data / "corpus.jsonl").read_text().splitlines(keepends=True)
    (data / "corpus.jsonl").write_text("".join(lines[1:]))
    assert answer(*arguments)["documents"] == 39
    whole = ("bench", data, "--recipe", "bm25", "--index", "words")
    assert "1 documents that are not of" in call(*whole, status=1).stderr
    assert answer("index", "info", "words")["documents"] == 40


def test_bench_refuses_before_it_builds(place: Path) -> None:
    call("bench", place / "data", "--recipe", "bm25", "-m", "nDGC@10", status=1)
    assert (
        "no split 'dev'"
        in call("bench", place / "data", "--recipe", "bm25", "--split", "dev", status=1).stderr
    )


def test_drop_self_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path))
    write_lines(tmp_path / "c.jsonl", [{"id": "a", "text": "law"}, {"id": "b", "text": "law court"}])
    (tmp_path / "q.tsv").write_text("a\tlaw\n")
    call("index", "create", "laws", tmp_path / "c.jsonl", "--recipe", "bm25")
    run = ("run", "laws", tmp_path / "q.tsv", "--out", "-", "-k", 1)
    assert call(*run).stdout.split()[2] == "a"
    assert call(*run, "--drop-self").stdout.split()[2] == "b"


def test_demo_answers_with_places_and_uses_its_index_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path))
    library = PythonDocs(Path(os.__file__).parent / "asyncio")
    monkeypatch.setattr("retrieve.corpora.pydocs.PythonDocs", lambda: library)
    monkeypatch.setattr("retrieve.cli.demo.LEAST_OF_PACKAGE", 10)
    first = answer("demo", "--recipe", "bm25")
    assert len(first["questions"]) == 5
    names = [document.id.replace("__init__", "_").split(":")[1].split(".") for document in library]
    public = [name for name in names if not any(part.startswith("_") for part in name)]
    assert first["documents"] == len(public) < len(names)
    assert first["words"] is None
    learned = first["labels"]
    assert {"locks", "queues"} <= set(learned["labels"])
    assert learned["micro_f1"] > 2 / len(learned["labels"])  # chance is half of it
    assert learned["explained"]["label"] in learned["labels"]
    second = call("demo", "--recipe", "bm25")
    assert "0 documents added" in second.stderr
    assert "?\n  by bm25\n" in second.stdout
    assert "retrieve index create mine.index FOLDER" in second.stdout


def test_demo_indexes_all_words_and_encodes_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path))
    library = PythonDocs(Path(os.__file__).parent / "asyncio")
    monkeypatch.setattr("retrieve.corpora.pydocs.PythonDocs", lambda: library)
    monkeypatch.setattr("retrieve.cli.demo.LEAST_OF_PACKAGE", 10)
    monkeypatch.setattr("retrieve.cli.demo.SAMPLE", 30)
    monkeypatch.setattr("retrieve.cli.demo.MODULES", ("queues", "locks"))
    recipe = tmp_path / "tiny.toml"
    tiny_encoder_folder(tmp_path / "model")
    recipe.write_text(
        f'[bm25]\n[dense]\nmodel = "{tmp_path / "model"}"\nbackend = "torch"\nprecision = "fp32"\n'
    )
    found = answer("demo", "--recipe", recipe)
    assert found["passages"] <= 30 < found["words"]["passages"]
    assert list(found["words"]["questions"][0]["hits"]) == ["bm25"]
    assert list(found["questions"][0]["hits"]) == ["bm25", "dense", "hybrid"]
    with Index.open(found["index"]) as index:
        modules = {str(index.get(doc_id).metadata["module"]) for doc_id in index.ids()}
    assert "queues" in modules
    assert len(modules) < 5
    assert answer("demo", "--recipe", recipe, "--all")["documents"] == found["words"]["documents"]


def test_quiet_leaves_only_warnings_and_errors(place: Path) -> None:
    assert call("-q", "search", "words", "law").stderr == ""
    assert "found nothing" in call("-q", "run", "words", place / "data", "--out", os.devnull).stderr
    assert "no index" in call("-q", "search", "nowhere", "x", status=1).stderr


def test_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100, 4))
    monkeypatch.setattr("retrieve.cli.progress.time.monotonic", lambda: float(next(clock)))
    lines = Lines()
    for done in range(1, 8):
        lines("documents", done * 1000, 8000)
    assert capsys.readouterr().err.splitlines() == [
        "documents: 4,000 of 8,000 (12 s, 250 a second, 16 s left)",
        "documents: 7,000 of 8,000 (24 s, 250 a second, 4 s left)",
    ]


def test_text_for_a_terminal_cannot_steer_it() -> None:
    assert one_line("a\tb\n\x1b[31mred\u202e") == "a b [31mred"
    assert snippet("word " * 100, 22) == "word word word word …"


@pytest.mark.data
@pytest.mark.skipif("RETRIEVE_DATA" not in os.environ, reason="RETRIEVE_DATA is not set: no SciFact")
def test_scifact_by_bm25_reaches_the_published_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path))
    report = answer("bench", Path(os.environ["RETRIEVE_DATA"]) / "scifact", "--recipe", "bm25")
    assert report["nDCG@10"] >= 0.676
    assert report["R@100"] >= 0.915
    assert (report["queries"], report["documents"]) == (300, 5183)


def test_a_run_of_passages(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "passages.run"
    report = answer(
        "run", "both", place / "data", "--out", out, "--unit", "passage", "--using", "bm25", "-k", 9
    )
    with Index.open(place / "both") as index:
        for name, text in QUERIES.items():
            hits = index.search(text, 9, using="bm25", unit="passage")
            wanted = [f"{hit.doc_id}#{hit.passages[0].position}" for hit in hits]
            assert list(read_run(out).get(name, {})) == wanted
    assert report["hits"] == sum(map(len, read_run(out).values())) and report["silent"] == {"bm25": 1}
    assert (
        "leaves out a document"
        in call(
            "run", "both", place / "data", "--out", out, "--unit", "passage", "--drop-self", status=2
        ).stderr
    )


def test_a_run_that_fails_on_its_way_leaves_the_file_as_it_was(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "words.run"
    call("run", "words", place / "data", "--out", out)
    before = out.read_bytes()
    real, given = Index.iter_run, []

    def breaks(*arguments: Any, **options: Any) -> Any:
        for ranking in real(*arguments, **options):
            given.append(ranking)
            yield ranking
            if len(given) == 2:
                raise IndexCorrupt("a file is damaged")

    monkeypatch.setattr(Index, "iter_run", breaks)
    assert "a file is damaged" in call("run", "words", place / "data", "--out", out, status=1).stderr
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["words.run"]


def test_weight_zero_on_the_command_line(place: Path, tmp_path: Path) -> None:
    def hits(*options: str) -> Any:
        return answer("search", "both", "court law", *options, "--explain")["hits"]

    assert hits("--weights", "dense=0") == hits("--using", "bm25")
    runs = [tmp_path / f"{view}.run" for view in ("bm25", "dense")]
    for view, run in zip(("bm25", "dense"), runs, strict=True):
        call("run", "both", place / "data", "--using", view, "-k", 12, "--out", run)
    for method in ("convex", "z", "rrf"):
        call("fuse", *runs, "--method", method, "--weights", "1,0", "--out", tmp_path / "fused.run")
        fused, alone = read_run(tmp_path / "fused.run"), read_run(runs[0])
        assert {name: list(scores) for name, scores in fused.items()} == {
            name: list(scores) for name, scores in alone.items()
        }
    assert "not all zero" in call("fuse", *runs, "--weights", "0,0", "--out", "-", status=2).stderr
    assert "one above" in call("search", "both", "law", "--weights", "dense=0,bm25=0", status=2).stderr


def test_passages_are_not_measured_by_judgments_of_documents(place: Path) -> None:
    told = call("bench", place / "data", "--recipe", "bm25", "--set", "search.unit=passage", status=2).stderr
    assert "judgments are of documents" in told


def test_a_device_is_where_a_search_computes() -> None:
    asked = ["search", "both", "court law", "--using", "dense", "--format", "tsv"]
    assert call(*asked, "--device", "cpu").stdout == call(*asked).stdout
    refused = call(*asked, "--device", "abacus", status=1)
    assert "device 'abacus'" in refused.stderr


def test_what_is_like_a_document() -> None:
    found = answer("search", "both", "--like", "d07", "-k", "5")
    assert found["like"] == "d07" and len(found["hits"]) == 5 and "query" not in found
    assert "d07" not in {hit["doc_id"] for hit in found["hits"]}
    with Index.open("both") as index:
        assert [hit["doc_id"] for hit in found["hits"]] == [hit.doc_id for hit in index.similar("d07", 5)]
    few = answer("search", "words", "court law act", "--query-terms", "1", "-k", "40")
    assert {hit["doc_id"] for hit in few["hits"]} < {
        hit["doc_id"] for hit in answer("search", "words", "court law act", "-k", "40")["hits"]
    }
    assert "one of the two" in call("search", "both", status=2).stderr
    assert "one of the two" in call("search", "both", "law", "--like", "d07", status=2).stderr
    assert "does not go" in call("search", "both", "--like", "d07", "--explain", status=2).stderr
    assert "no document" in call("search", "both", "--like", "d99", status=2).stderr
