"""A BEIR folder small enough to train on in a test: documents of random words, queries that are some of their words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny_models import WORDS


def toy_collection(folder: Path, *, documents: int = 60, queries: int = 60, seed: int = 0) -> Path:
    """Every query judges one document, and a few a second one; two splits."""
    rng = np.random.default_rng(seed)
    texts = [[" ".join(rng.choice(WORDS, 8)).capitalize() + "." for _ in range(3)] for _ in range(documents)]
    with (folder / "corpus.jsonl").open("w") as file:
        for number, sentences in enumerate(texts):
            record = {
                "_id": f"d{number:02}",
                "title": " ".join(sentences[0].split()[:3]),
                "text": " ".join(sentences),
            }
            file.write(json.dumps(record) + "\n")
    with (folder / "queries.jsonl").open("w") as file:
        for number in range(queries):
            words = rng.permutation(texts[number % documents][0].rstrip(".").split())[:5]
            file.write(json.dumps({"_id": f"q{number:02}", "text": " ".join(words)}) + "\n")
    (folder / "qrels").mkdir()
    for split, numbers in (("train", range(queries // 2)), ("test", range(queries // 2, queries))):
        rows = ["query-id\tcorpus-id\tscore"]
        for number in numbers:
            rows.append(f"q{number:02}\td{number % documents:02}\t1")
            if number % documents % 7 == 0:
                rows.append(f"q{number:02}\td{(number + 1) % documents:02}\t1")
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    return folder
