"""BM25 on the inverted index against bm25s (numba back end) and rank-bm25: queries, build and bytes, on equal terms.

150,000 windows of 64 words of EU acts, analysed once; every engine gets the same term lists. Queries are the titles of
acts that are not indexed, whole and their four rarest terms. Queries are given as term numbers; ours takes its weights
from document frequencies while the clock runs, bm25s has them in its scores. One thread unless said, engines in turn;
batches in one thread and in two.
`RETRIEVE_DATA=… python scripts/bench/bm25.py --json`

`--peers tantivy,pisa` asks the same queries of those instead, through public calls: see `bm25_peers.py`. More passages
than 150,000 are those again, changed as `scale.py` does.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from acts import WINDOWS, acts
from scale import changed
from turns import spread

from retrieve.index.idf import bm25_idf
from retrieve.index.postings import Postings
from retrieve.passages.encoder import PassageEncoder
from retrieve.text.term_rows import NumberedRows
from retrieve.views.postings import build_postings

K1, B = 0.9, 0.4
PASSAGES = 150_000
DEPTHS = (10, 100, 1000)
SLOW = 12  # queries that rank-bm25 gets
SHORT = 4
TOGETHER = 16  # queries that ours gets at once in a batch, as a search gives them

Terms = list[list[str]]
Engine = Callable[[int, int], Any]  # number of the query, k


def windows(wanted: int) -> tuple[Terms, Terms]:
    """Terms of the first passages, and of the titles of the acts behind them, each once."""
    passage_encoder = PassageEncoder("bm25", WINDOWS)
    rows: Terms = []
    titles: dict[tuple[str, ...], None] = {}
    for document in acts():
        if len(rows) < wanted:
            texts = passage_encoder.fed(document, passage_encoder.split([document])[0].spans)
            rows += [passage_encoder.analyzer.terms(text) for text in texts]
        else:
            titles.setdefault(tuple(dict.fromkeys(passage_encoder.analyzer.terms(document.title))))
    if len(rows) < wanted:
        raise SystemExit(f"the acts make {len(rows)} passages, wanted {wanted}")
    return rows[:wanted], [list(title) for title in titles if title]


def in_turn(engines: dict[str, Engine], queries: int, k: int, rounds: int) -> dict[str, Any]:
    """Seconds of single queries, the engines taking turns; ours against each other by rounds."""
    taken: dict[str, list[list[float]]] = {name: [] for name in engines}
    for engine in engines.values():
        engine(0, k)
    for _ in range(rounds):
        for name, engine in engines.items():
            seconds = []
            for query in range(queries):
                start = time.perf_counter()
                engine(query, k)
                seconds.append(time.perf_counter() - start)
            taken[name].append(seconds)
    result: dict[str, Any] = {}
    for name, by_round in taken.items():
        micros = np.array(by_round).ravel() * 1e6
        result[name] = {
            "queries_per_second": spread([queries / sum(seconds) for seconds in by_round], 0),
            "p50_microseconds": round(float(np.percentile(micros, 50))),
            "p99_microseconds": round(float(np.percentile(micros, 99))),
        }
        if name != "ours":
            ratios = [sum(peer) / sum(own) for peer, own in zip(by_round, taken["ours"], strict=True)]
            result[f"ours / {name}"] = spread(ratios)
    return result


def builds(rows: Terms, rounds: int) -> tuple[Postings, Any, dict[str, Any]]:
    """Both indexes from the same lists of terms, vocabulary included, in turn."""
    import bm25s

    ours, peer = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        postings = build_postings(NumberedRows.of(rows))
        ours.append(time.perf_counter() - start)
        index = bm25s.BM25(method="lucene", k1=K1, b=B, backend="numba")
        start = time.perf_counter()
        index.index(rows, show_progress=False)
        peer.append(time.perf_counter() - start)
    figures = {
        "ours": spread(ours),
        "bm25s": spread(peer),
        "ours / bm25s": spread([b / a for a, b in zip(ours, peer, strict=True)]),
    }
    return postings, index, figures


def sizes(postings: Postings, peer: Any, rows: int) -> dict[str, float]:
    """Bytes a passage, vocabularies counted: ours as stored, that of bm25s as the JSON it saves."""
    ours = sum(array.nbytes for array in postings.arrays().values())
    theirs = sum(peer.scores[name].nbytes for name in ("data", "indices", "indptr"))
    theirs += len(json.dumps(peer.vocab_dict).encode())
    return {
        "ours": round(ours / rows, 1),
        "bm25s": round(theirs / rows, 1),
        "ours / bm25s": round(ours / theirs, 3),
    }


def grown(rows: Terms, wanted: int) -> Terms:
    """So many passages: those, and once they are used up those again, changed."""
    return rows + [changed(rows, made) for made in range(len(rows), wanted)]


def by_public_calls(peers: Sequence[str], rows: Terms, titles: Terms, rounds: int) -> dict[str, Any]:
    """Titles and their rarest terms, as texts, by our index and the peers'."""
    from bm25_peers import against

    frequencies = Counter(chain.from_iterable(map(set, rows)))
    found = [[term for term in title if term in frequencies] for title in titles]
    short = [sorted(title, key=frequencies.__getitem__)[:SHORT] for title in found]
    kinds = {
        name: [" ".join(query) for query in asked if query]
        for name, asked in (("titles", found), ("short", short))
    }
    with tempfile.TemporaryDirectory() as folder:
        texts = [" ".join(row) for row in rows]
        gc.collect()
        gc.freeze()  # what this script holds is not for the collector to look through
        return {"passages": len(rows)} | against(peers, texts, kinds, DEPTHS, rounds, Path(folder))


def compare(rows: Terms, queries: Terms, rounds: int) -> dict[str, Any]:
    """All the figures."""
    postings, peer, built = builds(rows, min(rounds, 3))
    result: dict[str, Any] = {
        "passages": len(rows),
        "terms_per_passage": round(sum(map(len, rows)) / len(rows), 1),
        "build_seconds": built,
        "bytes_per_passage": sizes(postings, peer, len(rows)),
    }
    average = float(postings.lengths.mean())
    found = [postings.lookup(query) for query in queries]
    titles = [ids[ids >= 0] for ids in found]
    short = [ids[np.argsort(postings.frequencies[ids], kind="stable")[:SHORT]] for ids in titles]

    def weigh(ids: Any) -> tuple[Any, Any]:
        return ids, bm25_idf(postings.frequencies[ids], postings.rows)

    for name, asked in (("titles", titles), ("short", short)):
        own = [ids for ids in asked if len(ids)]
        theirs = [peer.get_tokens_ids(postings.terms.get_many(ids)) for ids in own]

        def ours(query: int, k: int, own: list[Any] = own) -> Any:
            return postings.bm25_top(*weigh(own[query]), k, k1=K1, b=B, average_length=average)

        def group(start: int, k: int, own: list[Any] = own) -> Any:
            asked = own[start : start + TOGETHER]
            weights = np.split(weigh(np.concatenate(asked))[1], np.cumsum([len(ids) for ids in asked[:-1]]))
            queries = list(zip(asked, weights, strict=True))
            return postings.bm25_top_many(queries, k, k1=K1, b=B, average_length=average)

        def bm25s_one(query: int, k: int, theirs: list[Any] = theirs) -> Any:
            return retrieve_peer(peer, theirs[query : query + 1], k)

        check(ours, bm25s_one, len(own))
        kind: dict[str, Any] = {
            "queries": len(own),
            "terms_per_query": round(statistics.mean(map(len, own)), 1),
            "postings_per_query": round(statistics.mean(int(postings.frequencies[i].sum()) for i in own)),
        }
        for k in DEPTHS:
            kind[f"k={k}"] = in_turn({"ours": ours, "bm25s": bm25s_one}, len(own), k, rounds)
            kind[f"k={k}"]["batch"] = batches(group, peer, theirs, k, rounds)
        result[name] = kind
        if name == "titles":
            result["rank-bm25"] = against_rank_bm25(rows, [postings.terms.get_many(i) for i in own], ours)
    result["lucene"] = "pyserini is not installed" if not importlib.util.find_spec("pyserini") else "left out"
    return result


def retrieve_peer(peer: Any, ids: list[Any], k: int, threads: int = 1) -> Any:
    """The fastest path of bm25s for numbers of terms."""
    return peer.retrieve(ids, k=k, show_progress=False, backend_selection="numba", n_threads=threads)


def check(ours: Engine, peer: Engine, queries: int) -> None:
    """The same scores, as far as 32 bits go."""
    for query in range(0, queries, 10):
        theirs = peer(query, 10)[1][0]
        own = ours(query, 10)[2]
        if not np.allclose(own, theirs[: len(own)], rtol=1e-4):
            raise SystemExit(f"query {query}: ours scores {own}, bm25s {theirs}")


def batches(group: Engine, peer: Any, theirs: list[Any], k: int, rounds: int) -> dict[str, Any]:
    """All queries at once, in one thread and in two: bm25s in one call with its own threads, ours group by group."""
    rates: dict[str, list[float]] = {}
    starts = range(0, len(theirs), TOGETHER)
    with ThreadPoolExecutor(2) as pool:
        engines: dict[str, Callable[[], Any]] = {
            "ours": lambda: [group(start, k) for start in starts],
            "bm25s": lambda: retrieve_peer(peer, theirs, k),
            "ours, 2 threads": lambda: list(pool.map(lambda start: group(start, k), starts)),
            "bm25s, 2 threads": lambda: retrieve_peer(peer, theirs, k, 2),
        }
        for run in engines.values():
            run()
        for _ in range(rounds):
            for name, run in engines.items():
                start = time.perf_counter()
                run()
                rates.setdefault(name, []).append(len(theirs) / (time.perf_counter() - start))
    pairs = (
        ("ours", "bm25s"),
        ("ours, 2 threads", "bm25s, 2 threads"),
        ("ours, 2 threads", "ours"),
        ("bm25s, 2 threads", "bm25s"),
    )
    return {name: spread(values, 0) for name, values in rates.items()} | {
        f"{one} / {other}": spread([a / b for a, b in zip(rates[one], rates[other], strict=True)])
        for one, other in pairs
    }


def against_rank_bm25(rows: Terms, queries: Terms, ours: Engine) -> dict[str, Any]:
    """A few queries, since each takes seconds; its formula is another (BM25Okapi), the work is the same."""
    from rank_bm25 import BM25Okapi

    index = BM25Okapi(rows, k1=K1, b=B)

    def theirs(query: int, k: int) -> Any:
        scores = index.get_scores(queries[query])
        best = np.argpartition(scores, -k)[-k:]
        return best[np.argsort(-scores[best])]

    return in_turn({"ours": ours, "rank-bm25": theirs}, SLOW, 10, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--passages", type=int, default=PASSAGES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=lambda names: names.split(","), default=[], help="tantivy,pisa")
    arguments = parser.parse_args()
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    rows, titles = windows(min(arguments.passages, PASSAGES))
    rows = grown(rows, arguments.passages)
    if arguments.peers:
        peers = by_public_calls(arguments.peers, rows, titles, arguments.rounds)
        print(json.dumps({"command": f"python {' '.join(sys.argv)}"} | peers, indent=2))
        return 0
    result = {
        "command": f"python scripts/bench/bm25.py --passages {arguments.passages} --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        **compare(rows, titles, arguments.rounds),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"build, ours / bm25s: {result['build_seconds']['ours / bm25s']}")
    print(f"bytes a passage: {result['bytes_per_passage']}")
    print(f"rank-bm25, k=10: {result['rank-bm25']['ours / rank-bm25']['median']} times")
    for kind in ("titles", "short"):
        for k in DEPTHS:
            figures = result[kind][f"k={k}"]
            print(f"{kind}, k={k}: ours / bm25s {figures['ours / bm25s']}")
            for pair in ("ours / bm25s", "ours, 2 threads / bm25s, 2 threads"):
                print(f"  in batches, {pair}: {figures['batch'][pair]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
