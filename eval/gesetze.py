"""Gesetze: 650 long German statutes, 434 headings as queries: what the right language, and what passages are worth.

The collection's own figures are of a plain BM25 with Snowball's German stemmer and no stop list, over whole laws, over
passages of 200 words of which the best counts (50 of them shared with the next; here 100, and passages end with
sentences), and over the first 350 words. Beside whole laws stands the same index with English analysis and with none,
and with compounds in parts (extra `compounds`): then queries are also asked with their compounds written apart. The
table says what each finds of answers in each quarter of a law.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import regex

from retrieve import Index, Query
from retrieve.corpora.dataset import read_dataset
from retrieve.measures.evaluate import evaluate
from retrieve.reproduce import Case, Check, Expected, Reports, reproduce
from retrieve.text.compounds import german_compounds
from retrieve.trec import as_run

WHOLE = "BM25 over whole laws, German stemmer, k1 .9, b .4"
PASSAGES = "best of passages of 200 words, k1 .9, b .4"
FIRST = "the first 350 words, k1 1.2, b .75"
GERMAN = "bm25.language=german"
NDCG = Expected("nDCG@10", 0.0, "nobody", 0.0)
CUT = ("passages.mode=window", "passages.size=200", "passages.overlap=100")
CASES = (
    Case(
        "bm25",
        [
            Expected("nDCG@10", 0.7775, WHOLE, 0.765, 0.79),
            Expected("RR", 0.7449, WHOLE, 0.73, 0.76),
            Expected("R@100", 0.9700, WHOLE, 0.96, 0.98),
        ],
        (GERMAN,),
        name="whole laws",
    ),
    Case(
        "bm25",
        [Expected("nDCG@10", 0.8054, PASSAGES, 0.80), Expected("R@100", 0.9724, PASSAGES, 0.96)],
        (GERMAN, *CUT),
        name="best passage",
    ),
    Case(
        "bm25",
        [Expected("nDCG@10", 0.4193, FIRST, 0.40, 0.44)],
        (GERMAN, "passages.mode=first", "passages.size=350", "passages.boundaries=none"),
        {"k1": 1.2, "b": 0.75},
        name="first 350 words",
    ),
    Case("bm25", [NDCG], ("bm25.language=english",), name="English analysis"),
    Case("bm25", [NDCG], ("bm25.language=none",), name="no analysis"),
)
COMPOUNDS = (
    Case("bm25", [NDCG], (GERMAN, "bm25.compounds=true"), name="whole laws, compounds"),
    Case("bm25", [NDCG], (GERMAN, "bm25.compounds=true", *CUT), name="best passage, compounds"),
)
QUARTERS = ("first", "second", "third", "last")


def further(reports: Reports) -> list[Check]:
    """German analysis above the others; and what each case finds by where in the law the answer is."""
    values = {name: reports[name]["nDCG@10"] for name in reports}
    checks = [
        Check(f"nDCG@10 of German analysis above {name}", values["whole laws"], values[name])
        for name in ("English analysis", "no analysis")
    ]
    checks.append(
        Check("nDCG@10 of the best passage above whole laws", values["best passage"], values["whole laws"])
    )
    for case in CASES[:3]:
        for quarter, value in by_quarter(reports[case.label], case).items():
            checks.append(Check(f"nDCG@10 of {case.label}, answers in the {quarter} quarter", value, 0.0))
    for case in COMPOUNDS:
        if case.label in reports:
            whole, _, _ = case.label.partition(",")
            asked = {label: written_apart(reports[label]) for label in (whole, case.label)}
            checks.append(Check(f"nDCG@10 of {whole}, compounds of queries written apart", asked[whole], 0.0))
            checks.append(
                Check(
                    f"nDCG@10 of {case.label}, those of queries written apart",
                    asked[case.label],
                    asked[whole],
                )
            )
    return checks


def written_apart(report: Mapping[str, Any]) -> float:
    """Mean nDCG@10 of the queries in which each compound stands as its parts: as who does not know the law's words."""
    data = read_dataset(Path(report["folder"]))

    def apart(word: regex.Match[str]) -> str:
        return " ".join(german_compounds().parts(word[0].casefold())) or word[0]

    queries = [Query(query.id, regex.sub(r"\w+", apart, query.text)) for query in data.queries]
    with Index.open(report["index"]) as index:
        run = as_run(index.run(queries, 10).rankings)
    return evaluate(run, data.qrels, ["nDCG@10"]).means["nDCG@10"]


def by_quarter(report: Mapping[str, Any], case: Case) -> dict[str, float]:
    """Mean nDCG@10 of the queries whose answer begins in each quarter of its law."""
    folder = Path(report["folder"])
    data = read_dataset(folder)
    places = {}
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)
        places[query["_id"]] = min(int(4 * query["metadata"]["rel_pos"]), 3)
    with Index.open(report["index"]) as index:
        run = as_run(index.run(data.queries, 10, **case.options).rankings)
    found = evaluate(run, data.qrels, ["nDCG@10"]).per_query["nDCG@10"]
    return {
        name: float(np.mean([value for query, value in found.items() if places[query] == number]))
        for number, name in enumerate(QUARTERS)
    }


if __name__ == "__main__":
    cases = list(CASES)
    if importlib.util.find_spec("wordfreq") is not None:
        cases += COMPOUNDS
    else:
        print("compounds are not measured: the extra compounds is not installed", file=sys.stderr)
    sys.exit(reproduce(__doc__, "gesetze-long", cases, further))
