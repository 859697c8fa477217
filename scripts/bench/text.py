"""From text to terms and to an index, in megabytes of text a second of the processor: ours, bm25s and tantivy in turn.

Long texts are the EU acts, short ones windows of about a thousand characters of them. Terms: every text's terms as
Python strings for ours and tantivy (numbers for ours too, as a build takes them), bm25s' own tokens. Build: from texts
in memory to an index on disk that keeps them; one process, tantivy with one thread to write. With `--workers N` alone:
how many times as fast N processes build, by the clock, on a machine with as many idle cores.
`RETRIEVE_DATA=… python scripts/bench/text.py [--json]`, with `pip install tantivy bm25s`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from acts import acts

from retrieve import Document, Index
from retrieve._core import form
from retrieve.peers.tantivy import make_analyzer
from retrieve.text.analyze import ENGLISH_STOPWORDS, Analyzer
from retrieve.text.term_rows import numbered_rows

WINDOW = 1_000
Work = Callable[[Sequence[str], Path], object]


def our_terms(texts: Sequence[str], _: Path) -> None:
    """Lists of strings."""
    analyzer = Analyzer()
    for text in texts:
        analyzer.terms(text)


def our_numbers(texts: Sequence[str], _: Path) -> None:
    """What a build takes."""
    numbered_rows(([text] for text in texts), Analyzer())


def our_build(texts: Sequence[str], place: Path, workers: int = 1) -> None:
    """Whole texts, BM25."""
    with (
        Index.create(place / "ours.index", "bm25", cache=False) as index,
        index.writer(workers=workers) as writer,
    ):
        writer.add(Document(str(number), text) for number, text in enumerate(texts))


def tantivy_analyzer() -> Any:
    """With the stop words that ours has."""
    return make_analyzer("english", sorted(ENGLISH_STOPWORDS))


def tantivy_terms(texts: Sequence[str], _: Path) -> None:
    """Lists of strings."""
    analyzer = tantivy_analyzer()
    for text in texts:
        analyzer.analyze(text)


def tantivy_build(texts: Sequence[str], place: Path) -> None:
    """An index with the texts stored, without positions."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    builder.add_text_field("text", stored=True, tokenizer_name="ours", index_option="freq")
    (place / "tantivy").mkdir()
    index = tantivy.Index(builder.build(), path=str(place / "tantivy"))
    index.register_tokenizer("ours", tantivy_analyzer())
    writer = index.writer(num_threads=1)
    for number, text in enumerate(texts):
        writer.add_document(tantivy.Document(id=str(number), text=text))
    writer.commit()
    writer.wait_merging_threads()


def bm25s_terms(texts: Sequence[str], _: Path) -> None:
    """Its tokenizer with PyStemmer."""
    _bm25s_tokens(texts)


def bm25s_build(texts: Sequence[str], place: Path) -> None:
    """Its matrix, saved."""
    import bm25s

    index = bm25s.BM25(method="lucene")
    index.index(_bm25s_tokens(texts), show_progress=False)
    index.save(str(place / "bm25s"), corpus=list(texts), show_progress=False)


def _bm25s_tokens(texts: Sequence[str]) -> Any:
    import bm25s
    import Stemmer

    return bm25s.tokenize(
        list(texts),
        stopwords=sorted(ENGLISH_STOPWORDS),
        stemmer=Stemmer.Stemmer("english"),
        show_progress=False,
    )


WORKS: dict[str, dict[str, Work]] = {
    "terms": {
        "ours": our_terms,
        "ours, numbers": our_numbers,
        "tantivy": tantivy_terms,
        "bm25s": bm25s_terms,
    },
    "build": {"ours": our_build, "tantivy": tantivy_build, "bm25s": bm25s_build},
}


def processor_seconds(work: Callable[[Path], object]) -> float:
    """In a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        start = time.process_time()
        work(Path(place))
        return time.process_time() - start


def by_workers(texts: Sequence[str], workers: int, rounds: int) -> dict[str, Any]:
    """Seconds by the clock of one process and of several in turn, and their ratio: median, least, most."""
    seconds: dict[int, list[float]] = {1: [], workers: []}
    for _ in range(rounds):
        for count, taken in seconds.items():
            with tempfile.TemporaryDirectory() as place:
                start = time.perf_counter()
                our_build(texts, Path(place), count)
                taken.append(time.perf_counter() - start)
    ratios = [one / several for one, several in zip(seconds[1], seconds[workers], strict=True)]
    return {
        "texts": len(texts),
        **{f"seconds, {count}": round(float(np.median(taken)), 2) for count, taken in seconds.items()},
        "ratio": [round(float(np.quantile(ratios, at)), 2) for at in (0.5, 0, 1)],
    }


def measure(texts: Sequence[str], works: dict[str, Work], rounds: int) -> dict[str, Any]:
    """Megabytes a second: medians over rounds in turn, and ours as a multiple of each peer, with its spread."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(processor_seconds(partial(work, texts)))
    found: dict[str, Any] = {
        name: round(megabytes / float(np.median(each)), 2) for name, each in times.items()
    }
    for peer in works:
        if not peer.startswith("ours"):
            ratios = [there / ours for ours, there in zip(times["ours"], times[peer], strict=True)]
            found[f"ours / {peer}"] = [round(float(np.quantile(ratios, at)), 2) for at in (0.5, 0, 1)]
    return {"texts": len(texts), "megabytes": round(megabytes, 1), **found}


def main() -> int:
    """Always 0: speed is reported, not tested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acts", type=int, default=300)
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    long = [act.text for act in islice(acts(), asked.acts)]
    cut = (text[at : at + WINDOW] for text in long for at in range(0, len(text), WINDOW))
    short = list(islice(cut, asked.windows))
    missing = [name for name in ("tantivy", "bm25s") if importlib.util.find_spec(name) is None]
    report: dict[str, Any] = {"core": form, "processor": platform.processor() or platform.machine()}
    if asked.workers:
        for name, texts in (("long", long), ("short", short)):
            report[name] = by_workers(texts, asked.workers, asked.rounds)
        print(json.dumps(report))
        return 0
    for kind, works in WORKS.items():
        present = {name: work for name, work in works.items() if name not in missing}
        for name, texts in (("long", long), ("short", short)):
            report[f"{kind}, {name}"] = measure(texts, present, asked.rounds)
            if not asked.json:
                print(f"{kind}, {name}: {report[f'{kind}, {name}']}")
    if asked.json:
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
