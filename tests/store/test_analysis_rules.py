"""An index goes on with the rules of analysis that it was made by, also one that is older than their number."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from store_index import lexical_recipe

from retrieve import Document, Index
from retrieve.recipe import BM25
from retrieve.store.manifest import MANIFEST, seal_object, unseal_object
from retrieve.text.analyze import RULES

ROWS = [Document("one", "a price of 1,000 dollars"), Document("two", "1 item with code 000")]


def test_a_recipe_that_names_no_rules_has_the_newest() -> None:
    assert BM25().rules == RULES


def made(folder: Path, rules: int) -> Index:
    recipe = lexical_recipe()
    recipe["bm25"] = {**recipe.get("bm25", {}), "rules": rules}
    index = Index.create(folder, recipe, cache=False)
    index.add(ROWS)
    return index


def found(index: Index, query: str) -> set[str]:
    return {hit.doc_id for hit in index.search(query)}


def test_rules_are_the_indexs_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "retrieve")
    with made(tmp_path / "new", RULES) as new, made(tmp_path / "old", 2) as old:
        assert (found(new, "1,000"), found(old, "1,000")) == ({"one"}, {"one", "two"})
        old.add([Document("three", "a thousand is 1,000")])
        assert found(old, "000") == {"one", "two", "three"}
        assert [index.info()["recipe"]["bm25"]["rules"] for index in (new, old)] == [RULES, 2]
    said = [record.getMessage() for record in caplog.records if "by rules" in record.getMessage()]
    assert len(said) == 1
    assert (
        f"old has its terms by rules 2 and goes on with them; for those of this version (rules {RULES})"
        in said[0]
    )


def test_an_index_that_is_older_than_their_number(tmp_path: Path) -> None:
    made(tmp_path / "i", 2).close()
    path = tmp_path / "i" / MANIFEST
    values = unseal_object(path.read_text())
    assert values is not None
    digest = values["recipe_digest"]
    del values["recipe"]["bm25"]["rules"]
    path.write_bytes(seal_object(values))
    with Index.open(tmp_path / "i") as index:
        assert found(index, "1,000") == {"one", "two"}
        index.add([Document("three", "a thousand is 1,000")])
        assert found(index, "000") == {"one", "two", "three"}
    after = json.loads(path.read_text())
    assert (after["recipe"]["bm25"]["rules"], after["recipe_digest"]) == (2, digest)
