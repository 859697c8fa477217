"""UHD codes on SciFact and Vaswani: quality, bytes and speed over n, m, level and training, beside other small forms.

Dense float32 is what they are to come near; the goals of the untrained text-level head are held over four seeds. The
table goes to standard output, `--json FILE` and `--picture FILE` (SVG) keep it. `--head FOLDER` adds a trained head. A
collection so small is searched in less time than a query takes on its way: `scripts/bench/uhd.py` measures speed where
it matters. Half an hour, most of it for the token level, where every token of a collection is projected.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seismic_peer import installed, measure_seismic

from retrieve import Index
from retrieve.bench import bench
from retrieve.corpora.dataset import read_dataset
from retrieve.reproduce import Check, print_checks

COLLECTIONS = ("scifact", "vaswani-npl")
SEEDS = (0, 1, 2, 3)
EXACT = "dense float32"
PEERED = "uhd n 8192 m 512"


def check(what: str, value: float, least: float, most: float = 1.0) -> bool:
    """Print one line; True if the value is out of its range."""
    made = Check(what, value, least, most)
    print_checks([made])
    return not made.good


class Form(NamedTuple):
    """One way to keep passages: a shipped recipe with overrides, and settings of its searches."""

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


def uhd(n: int, m: int, *, query: int | None = None, seed: int = 0, layout: str = "small") -> Form:
    """An untrained text-level head; `query` winners of a query where they are not m."""
    name = f"uhd n {n} m {m}" + (f"/{query}" if query else "") + (f" seed {seed}" if seed else "")
    numbers = (
        "uhd.level=text",
        f"uhd.dimensions={n}",
        f"uhd.winners={m}",
        f"uhd.seed={seed}",
        f"uhd.layout={layout}",
        "uhd.keep_vectors=false",
    )
    return Form(name, "uhd", numbers, (("query_winners", query),) if query else ())


def token(cap: int, *, seed: int = 0) -> Form:
    """The untrained token-level head of the recipe, a passage's dimensions capped."""
    name = f"uhd token cap {cap}" + (f" seed {seed}" if seed else "")
    return Form(name, "uhd", (f"uhd.cap={cap}", f"uhd.seed={seed}", "uhd.layout=small"))


def hybrid(seed: int) -> Form:
    """BM25 and codes."""
    return Form("uhd-hybrid" + (f" seed {seed}" if seed else ""), "uhd-hybrid", (f"uhd.seed={seed}",))


def forms(heads: Sequence[str]) -> Iterator[Form]:
    """Every row of the table."""
    yield Form(EXACT, "flat", ("dense.storage=float32",))
    yield Form("dense float16", "flat")
    yield Form("dense int8", "flat", ("dense.storage=int8",))
    yield Form("FAISS SQ8", "flat", ("dense.factory=SQ8", "dense.keep_vectors=false"))
    yield Form("sign bits, int8 rescoring", "flat", ("dense.storage=binary",))
    yield Form("FAISS HNSW32", "flat", ("dense.factory=HNSW32", "dense.keep_vectors=false"))
    for seed in SEEDS:
        for m in (256, 512):
            yield uhd(8192, m, seed=seed)
    for n, m in ((4096, 256), (8192, 128), (8192, 1024), (16384, 512), (32768, 512)):
        yield uhd(n, m)
    for m, query in ((512, 256), (512, 128), (256, 512)):
        yield uhd(8192, m, query=query)
    for segments in (8, 64):
        form = uhd(8192, 512)
        yield form._replace(
            name=f"{form.name} in {segments} segments",
            overrides=(*form.overrides, f"uhd.segments={segments}"),
        )
    for head in heads:
        yield Form(f"uhd head {Path(head).name}", "uhd", (f"uhd.model={head}", "uhd.layout=small"))
    yield from (token(512), token(512, seed=1), token(256))
    yield Form("bm25", "bm25")
    yield from map(hybrid, SEEDS)
    yield Form("hybrid", "hybrid")


def measure(collection: str, form: Form, place: Path) -> dict[str, Any]:
    """Build, run the judged queries, and time them alone: one at a time, ten hits each."""
    folder = Path(os.environ["RETRIEVE_DATA"]) / collection
    options = dict(form.options)
    measures = ("nDCG@10", "R@100")
    report = bench(folder, form.recipe, form.overrides, measures=measures, index=place, **options)
    with Index.open(place) as index:
        info = index.info()
        data = read_dataset(folder, "test")
        texts = [query.text for query in data.queries if query.id in data.qrels]
        index.search_many(texts[:8])
        start = time.perf_counter()
        for text in texts:
            index.search(text, passages=0, **options)
        seconds = time.perf_counter() - start
    views = [name for name in ("dense", "uhd", "bm25") if name in info["bytes_per_passage"]]
    sparse = info["sparse"].get("uhd", {})
    return {
        "collection": collection,
        "form": form.name,
        "nDCG@10": round(report["nDCG@10"], 4),
        "R@100": round(report["R@100"], 4),
        "bytes_per_passage": round(sum(info["bytes_per_passage"][name] for name in views)),
        "queries_per_second": round(len(texts) / seconds),
        "nonzeros_per_passage": round(sparse.get("nonzeros_per_passage", 0)),
        "usage_entropy": round(sparse.get("usage_entropy", 0), 4),
        "dead_dimensions": sparse.get("dead_dimensions", 0),
        "parents": {name: round(view["nDCG@10"], 4) for name, view in report["views"].items()},
    }


def show(row: dict[str, Any], exact: float) -> None:
    print(
        f"{row['collection']:12} {row['form']:38} nDCG@10 {row['nDCG@10']:.4f} ({row['nDCG@10'] / exact:6.1%})  "
        f"R@100 {row['R@100']:.4f}  {row['bytes_per_passage']:5} bytes  {row['queries_per_second']:5} queries/s  "
        f"{row['nonzeros_per_passage']:5} non-zeros",
        flush=True,
    )


def goals(rows: Sequence[dict[str, Any]], collection: str) -> int:
    """How many goals are missed."""
    found = {row["form"]: row for row in rows if row["collection"] == collection}
    exact = found[EXACT]["nDCG@10"]
    missed = 0
    for m, share in {"scifact": {512: 0.96, 256: 0.94}, "vaswani-npl": {512: 0.96}}[collection].items():
        names = [uhd(8192, m, seed=seed).name for seed in SEEDS]
        mean = statistics.mean(found[name]["nDCG@10"] for name in names)
        missed += check(
            f"{collection}: n 8,192, m {m}, of dense nDCG@10, mean of four seeds", mean / exact, share
        )
    fused = [found[hybrid(seed).name] for seed in SEEDS]
    mean = statistics.mean(row["nDCG@10"] for row in fused)
    least = {"scifact": 0.715, "vaswani-npl": 0.50}[collection]
    missed += check(f"{collection}: uhd-hybrid's nDCG@10, mean of four seeds", mean, least)
    for row in fused:
        for name, value in row["parents"].items():
            missed += check(f"{collection}: {row['form']} above {name} alone", row["nDCG@10"], value)
    small = uhd(8192, 512).name
    for row in (found[token(512).name], found[token(512, seed=1).name]):
        missed += check(
            f"{collection}: {row['form']}, bytes beside text level m 512",
            row["bytes_per_passage"] / found[small]["bytes_per_passage"],
            0,
            1,
        )
        missed += check(
            f"{collection}: {row['form']}, nDCG@10 beside text level m 512",
            row["nDCG@10"] / found[small]["nDCG@10"],
            1,
            2,
        )
    return missed


def picture(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Quality over bytes, one panel a collection, with the front of what nothing beats in both."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(COLLECTIONS), figsize=(12, 5), squeeze=False)
    for panel, collection in zip(panels[0], COLLECTIONS, strict=True):
        own = [row for row in rows if row["collection"] == collection and not row["parents"]]
        for row in own:
            point = row["bytes_per_passage"], row["nDCG@10"]
            code = row["form"].startswith("uhd")
            panel.plot(*point, "o" if code else "s", color="tab:blue" if code else "tab:orange", markersize=4)
            if "seed" not in row["form"]:
                panel.annotate(row["form"], point, fontsize=6, xytext=(3, 3), textcoords="offset points")
        ordered = sorted(own, key=lambda row: (row["bytes_per_passage"], -row["nDCG@10"]))
        front, best = [], 0.0
        for row in ordered:
            if row["nDCG@10"] > best:
                best = row["nDCG@10"]
                front.append((row["bytes_per_passage"], best))
        panel.step(*zip(*front, strict=True), where="post", color="grey", linewidth=0.8)
        panel.set(title=collection, xlabel="bytes a passage", ylabel="nDCG@10", xscale="log")
    figure.tight_layout()
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--head", action="append", default=[], help="a folder with a trained head; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--picture", type=Path, help="write the picture there, as SVG")
    arguments = parser.parse_args()
    if "RETRIEVE_DATA" not in os.environ:
        sys.exit(f"RETRIEVE_DATA is not set: it names the folder that holds {', '.join(COLLECTIONS)}")
    rows: list[dict[str, Any]] = []
    missed = 0
    with tempfile.TemporaryDirectory() as place:
        for collection in COLLECTIONS:
            exact = 1.0
            for number, form in enumerate(forms(arguments.head)):
                built = Path(place) / f"{collection}-{number}.index"
                rows.append(measure(collection, form, built))
                exact = rows[-1]["nDCG@10"] if form.name == EXACT else exact
                show(rows[-1], exact)
                if form.name == PEERED and installed():
                    folder = Path(os.environ["RETRIEVE_DATA"]) / collection
                    rows.append(measure_seismic(folder, built, f"Seismic on {PEERED}"))
                    show(rows[-1], exact)
            missed += goals(rows, collection)
    if arguments.json:
        command = "python eval/uhd.py" + " --head FOLDER" * len(arguments.head)
        arguments.json.write_text(json.dumps({"command": command, "forms": rows}, indent=2) + "\n")
    if arguments.picture:
        picture(rows, arguments.picture)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
