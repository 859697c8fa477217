#!/usr/bin/env bash
# llama-index-core 0.14.25: VectorStoreIndex.as_retriever() asks a store that keeps texts with `node_ids=[]`.
#
# Expected: no restriction is None, as the field's default says, and an empty list selects nothing. Seen: [] for every
# store with `stores_text = True`, meaning no restriction. A store that takes it by its word finds nothing, without an
# error. Exit 1 if that is no longer so.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -c scripts/constraints.txt llama-index-core==0.14.25
"$venv/bin/python" - <<'PY'
import sys
from typing import Any

from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery, VectorStoreQueryResult

asked: list[Any] = []


class Store(BasePydanticVectorStore):
    """Keeps nothing, and writes down what it is asked."""

    stores_text: bool = True

    @property
    def client(self) -> Any:
        return None

    def add(self, nodes: list[Any], **kwargs: Any) -> list[str]:
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **kwargs: Any) -> None:
        pass

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        asked.append(query.node_ids)
        return VectorStoreQueryResult(nodes=[], ids=[], similarities=[])


storage = StorageContext.from_defaults(vector_store=Store())
index = VectorStoreIndex([TextNode(text="a")], storage_context=storage, embed_model=MockEmbedding(embed_dim=2))
index.as_retriever(similarity_top_k=1).retrieve("a question")
print("default of the field:", VectorStoreQuery().node_ids, " asked:", asked)
sys.exit(0 if VectorStoreQuery().node_ids is None and asked == [[]] else 1)
PY
