"""What codes of tokens cost beside vectors of the same texts: `uhd` and `flat` built in turn, and a query of each.

Both indexes are made of raw text, first windows of SciFact's abstracts, no vector from the cache; models were
converted before. Builds are at the recipes' own precision and at `auto`, which is not judged. A query is a whole search
in the index of codes, its ten best, beside `encode_queries` of the dense encoder alone, and of the code's, which is not
judged. Figures are seconds of the processor, all threads together, which others on the machine disturb least.
`RETRIEVE_DATA=… python scripts/bench/uhd_build.py --json`; `RETRIEVE_CPU=avx2` for another form of the core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from turns import in_turn, ratios, spread, timed

from retrieve import Document, Index
from retrieve._core import form
from retrieve.corpora.dataset import read_dataset
from retrieve.corpora.open import open_corpus
from retrieve.encoders.load import load_encoder
from retrieve.encoders.sparse.encoder import load_sparse_encoder
from retrieve.passages.uhd_coder import untrained_head

K = 10
SECTIONS = {"flat": "dense", "uhd": "uhd"}
JUDGED = "recipe"
MOST = {"build": 1.3, "query": 1.2}
"""How many times the cost of `flat`, and of the encoding alone, is allowed."""


def overrides(recipe: str, precision: str) -> tuple[str, ...]:
    """What makes a recipe be of that precision; nothing for its own."""
    return () if precision == JUDGED else (f"{SECTIONS[recipe]}.precision={precision}",)


def build(place: Path, recipe: str, precision: str, rows: Sequence[Document]) -> None:
    """An index on disk."""
    with Index.create(place, recipe, overrides(recipe, precision), cache=False) as index:
        index.add(rows)


def builds(rows: Sequence[Document], precision: str, rounds: int) -> dict[str, Any]:
    """Seconds of each recipe's builds, and how many times those of `flat` the codes take, round by round."""
    taken: dict[str, list[float]] = {recipe: [] for recipe in SECTIONS}
    with tempfile.TemporaryDirectory() as folder:
        for recipe in SECTIONS:  # converts the model where that was not done
            build(Path(folder) / f"{recipe}-first", recipe, precision, rows[:8])
        for number in range(rounds):
            for recipe, seconds in taken.items():
                place = Path(folder) / f"{recipe}-{number}"
                seconds.append(timed(lambda: build(place, recipe, precision, rows)))  # noqa: B023 - called at once
    times = spread(ratios(taken["uhd"], taken["flat"]), 3)
    return {name: spread(seconds) for name, seconds in taken.items()} | {"uhd / flat": times}


def asked(rows: Sequence[Document], queries: Sequence[str], rounds: int) -> dict[str, Any]:
    """Milliseconds of a query's search among codes, and of its encoding to a vector and to a code alone.

    How many times those a search takes is told round by round.
    """
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "uhd", "uhd", JUDGED, rows)
        with Index.open(Path(folder) / "uhd") as index:
            section = index.recipe.uhd
            assert section is not None
            encoder = load_encoder(section.model, backend=section.backend, precision=section.precision)
            coder = load_sparse_encoder(
                section.model,
                backend=section.backend,
                precision=section.precision,
                untrained=untrained_head(section),
            )
            ways: dict[str, Callable[[], object]] = {
                "search": lambda: [index.search(query, K) for query in queries],
                "encoding": lambda: [encoder.encode_queries([query]) for query in queries],
                "code": lambda: [coder.encode_queries([query]) for query in queries],
            }
            taken = in_turn(ways, rounds)
    result = {
        name: spread([1e3 * each / len(queries) for each in seconds], 3) for name, seconds in taken.items()
    }
    for name in ("encoding", "code"):
        result[f"search / {name}"] = spread(ratios(taken["search"], taken[name]), 3)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if "RETRIEVE_DATA" not in os.environ:
        sys.exit("RETRIEVE_DATA is not set: it names the folder that holds scifact")
    folder = Path(os.environ["RETRIEVE_DATA"]) / "scifact"
    rows = list(islice(open_corpus(folder / "corpus.jsonl.gz"), arguments.documents))
    queries = [query.text for query in read_dataset(folder, "test").queries][: arguments.queries]
    result: dict[str, Any] = {
        "command": f"python scripts/bench/uhd_build.py --documents {len(rows)} --queries {len(queries)} "
        f"--rounds {arguments.rounds} --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "core": form,
        "documents": len(rows),
        "queries": len(queries),
        "seconds_a_build": {
            precision: builds(rows, precision, arguments.rounds) for precision in (JUDGED, "auto")
        },
        "milliseconds_a_query": asked(rows, queries, arguments.rounds),
    }
    built = result["seconds_a_build"][JUDGED]["uhd / flat"]["median"]
    found = result["milliseconds_a_query"]["search / encoding"]["median"]
    result["good"] = built <= MOST["build"] and found <= MOST["query"]
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        for precision, told in result["seconds_a_build"].items():
            for name, values in told.items():
                print(f"build, precision of the {precision}, {name}: {values}")
        for name, values in result["milliseconds_a_query"].items():
            print(f"query, {name}: {values}")
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
