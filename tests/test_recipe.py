"""Recipes: shipped ones, overrides, what counts for the digest, and what is refused, by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Recipe, load_recipe
from retrieve.errors import RecipeError
from retrieve.recipe import shipped
from retrieve.recipe.sections import ANALYSIS_OPTIONS

SMALL: dict[str, Any] = {"name": "small", "bm25": {}}
DENSE: dict[str, Any] = {"name": "small", "dense": {"model": "none", "dimensions": 4}}
UHD: dict[str, Any] = {"model": "none", "hidden": 4, "dimensions": 1024, "winners": 64, "segments": 4}
CODES: dict[str, Any] = {"name": "small", "uhd": UHD}

OPEN = {"splade": ["splade.model=folder"]}
"""What shipped recipes leave to whoever uses them."""


def test_the_shipped_recipes() -> None:
    dense = ["flat", "flat-binary", "hnsw", "hnsw-sq8"]
    assert sorted(shipped()) == ["bm25", *dense, "hybrid", "ivfpq", "lucene", "splade", "uhd", "uhd-hybrid"]
    recipes = {name: load_recipe(name, OPEN.get(name, [])) for name in shipped()}
    views = {name: recipe.views for name, recipe in recipes.items()}
    assert views["bm25"] == ("bm25",)
    assert views["flat"] == views["hnsw"] == views["ivfpq"] == ("dense",)
    assert views["hybrid"] == ("bm25", "dense")
    assert views["uhd-hybrid"] == ("bm25", "uhd")
    assert all(recipe.name == name and recipe.description for name, recipe in recipes.items())


def test_a_recipe_that_leaves_its_model_open_says_how_to_name_it() -> None:
    with pytest.raises(RecipeError, match=r"splade\.model .*--set splade\.model=FOLDER"):
        load_recipe("splade")


@pytest.mark.parametrize(
    ("name", "digest", "digest_of_rules_3"),
    [
        (
            "bm25",
            "f9413e32e5fdac67577188ee42ea0cec66c2f54f64b64441af4bacf330f61716",
            "9a4f3168077be9d5d02dbfac72787ddf4bfc5aedd7052a098ade22293efbc71f",
        ),
        (
            "hybrid",
            "cd4a369c3d2348b18f7dc6672ac56d95ab8b1018a941fc6db33cca894113b6fa",
            "4706e9d28be0d8dcce72d39618c55d8a259a8c0b73556c9852d69757ad445301",
        ),
    ],
)
def test_digests_outlive_releases(name: str, digest: str, digest_of_rules_3: str) -> None:
    """Of recipes as they were before there were sparse views: keys that came later do not make other indexes."""
    assert load_recipe(name, ["bm25.rules=2"]).digest == digest
    assert load_recipe(name).digest == digest_of_rules_3
    assert load_recipe("bm25", ["bm25.title_weight=2"]).digest != load_recipe("bm25").digest
    german = "bm25.language=german"
    assert load_recipe(name, [german, "bm25.compounds=true"]).digest != load_recipe(name, [german]).digest


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_recipe_survives_the_manifest(name: str) -> None:
    recipe = load_recipe(name, OPEN.get(name, []))
    again = load_recipe(recipe.model_dump(mode="json", exclude_none=True))
    assert again == recipe
    assert again.digest == recipe.digest


def test_a_file_is_named_after_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[bm25]\nlanguage = "german"\n[filters]\nfields = ["year", "a.b"]\n', encoding="utf-8-sig"
    )
    recipe = load_recipe(path)
    assert (recipe.name, recipe.bm25 and recipe.bm25.language) == ("mine", "german")
    assert recipe.filters.fields == ("year", "a.b")
    assert load_recipe(str(path), ["name=yours"]).name == "yours"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("passages.size=64", "passages", "size", 64),
        ("passages.mode=first", "passages", "mode", "first"),
        ('passages.mode = "first"', "passages", "mode", "first"),
        ("bm25.stopwords=false", "bm25", "stopwords", False),
        ("search.depth=7", "search", "depth", 7),
        ('filters.fields=["year"]', "filters", "fields", ("year",)),
        ("search.weights.bm25=2", "search", "weights", {"bm25": 2.0}),
    ],
)
def test_overrides(override: str, section: str, key: str, value: object) -> None:
    given_recipe = {**SMALL, "passages": {"size": 9}}
    assert getattr(getattr(load_recipe(given_recipe, [override]), section), key) == value
    assert given_recipe == {**SMALL, "passages": {"size": 9}}


def test_later_overrides_win_and_recipes_can_be_overridden() -> None:
    recipe = load_recipe(load_recipe(SMALL), ["passages.size=8", "passages.size=9"])
    assert recipe.passages.size == 9


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "other", "description": "said otherwise"}, True),
        ({"search": {"depth": 5, "bm25": {"k1": 2}}}, True),
        ({"dense": {"model": "somewhere/else"}}, True),
        ({"dense": {"model": "m", "limit": 99}}, False),
        ({"dense": {"model": "m", "query_prompt": "query: "}}, False),
        ({"passages": {"size": 99}}, False),
        ({"bm25": {"stopwords": False}}, False),
        ({"bm25": dict.fromkeys(ANALYSIS_OPTIONS, False)}, True),
        ({"bm25": {"identifiers": True}}, False),
        ({"bm25": {"fold_accents": True}}, False),
        ({"segments": {"passages": 9}}, False),
        ({"filters": {"fields": ["year"]}}, False),
        ({"dense": {"model": "none", "dimensions": 4}}, False),
    ],
)
def test_the_digest_covers_what_decides_the_bytes(change: dict[str, Any], same: bool) -> None:
    base = {**SMALL, "dense": {"model": "m"}}
    assert (load_recipe({**base, **change}).digest == load_recipe(base).digest) is same


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"name": "x"}, "no view"),
        ({"bm25": {}}, "name: Field required"),
        (
            {**SMALL, "bm26": {}},
            r"unknown key 'bm26' \(did you mean 'bm25'\?\); known here: bm25, dense, description",
        ),
        (
            {**SMALL, "bm25": {"k1": 1}},
            r"unknown key 'bm25\.k1'; known here: backend, compounds, fold_accents, identifiers, language",
        ),
        (
            {**SMALL, "search": {"dense": {"efsearch": 1}}},
            r"'search\.dense\.efsearch' .*; known here: ef_search",
        ),
        ({**SMALL, "bm25": {"identifiers": "maybe"}}, r"bm25\.identifiers: .* valid boolean \(got 'maybe'\)"),
        (
            {**SMALL, "bm25": {"compounds": True}},
            r'bm25\.compounds takes German words apart: wanted bm25\.language = "german", got "english"',
        ),
        (
            {**SMALL, "bm25": {"identifiers": True, "rules": 2}},
            r"bm25\.identifiers is not of bm25\.rules = 2: leave one of them out",
        ),
        (
            {**SMALL, "bm25": {"identifiers": True, "backend": "lucene"}},
            r'bm25\.identifiers is of the analyzer here, and bm25\.backend = "lucene" has its own',
        ),
        ({**SMALL, "passages": {"size": "64"}}, r"passages\.size: .*got '64'"),
        ({**SMALL, "passages": {"size": True}}, r"passages\.size"),
        ({**SMALL, "passages": {"size": 0}}, r"passages\.size"),
        (
            {**SMALL, "passages": {"size": 8, "overlap": 8}},
            r"passages\.overlap 8 must be smaller than passages\.size 8$",
        ),
        ({**SMALL, "passages": {"mode": "all"}}, r"passages\.mode"),
        ({**SMALL, "search": {"bm25": {"b": 1.5}}}, r"search\.bm25\.b"),
        ({**SMALL, "search": {"bm25": {"k1": float("inf")}}}, r"search\.bm25\.k1"),
        ({**SMALL, "search": {"weights": {"dense": 1}}}, r"names \['dense'\], the views are \['bm25'\]"),
        ({**SMALL, "search": {"weights": {"bm25": -1}}}, r"search\.weights\.bm25"),
        ({**SMALL, "search": {"weights": {"bm25": float("nan")}}}, r"search\.weights\.bm25"),
        ({**SMALL, "filters": {"fields": "year"}}, r"filters\.fields"),
        ({**SMALL, "filters": {"fields": [7]}}, r"filters\.fields\.0"),
        ({**SMALL, "bm25": {1, 2}}, "a recipe is made of"),
        (
            {"name": "x", "dense": {"model": "none"}},
            r'mapping: dense\.model = "none" needs dense\.dimensions',
        ),
        (
            {"name": "x", "dense": {"model": "m", "storage": "binary", "normalize": False}},
            r'dense\.storage = "binary" .* needs dense\.normalize = true',
        ),
        ({"name": "x", "dense": []}, "dense"),
        (
            {**SMALL, "search": {"uhd": {"query_winners": 8}}},
            r"search\.uhd\.query_winners = 8 .* this recipe has none",
        ),
        (
            {
                "name": "x",
                "uhd": {"model": "m", "level": "token"},
                "search": {"uhd": {"query_winners": 8}},
            },
            r"search\.uhd\.query_winners = 8 .* level text",
        ),
        (
            {**CODES, "search": {"uhd": {"query_winners": 2000}}},
            r"search\.uhd\.query_winners = 2000: wanted .* at most 1024",
        ),
        (
            {**CODES, "search": {"uhd": {"query_winners": 30}}},
            r"search\.uhd\.query_winners = 30: wanted a multiple of uhd\.segments = 4",
        ),
        (
            {"name": "x", "uhd": {**UHD, "dimensions": 1 << 21}},
            r"uhd\.dimensions = 2097152 .* at most 1048576",
        ),
        ({**DENSE, "uhd": {**UHD, "hidden": 5}}, r"uhd\.hidden = 5 .* dense\.dimensions = 4"),
        ({"name": "x", "splade": {"model": "m", "scale": 10_001}}, r"splade\.scale"),
        ({"name": "x", "splade": {"model": "m", "scale": 0}}, r"splade\.scale"),
        ({"name": "x", "splade": {"model": ""}}, r"--set splade\.model=FOLDER"),
        (
            {"name": "x", "splade": {"model": "m", "precision": "int8"}},
            r'splade\.precision = "int8" cannot be had',
        ),
    ],
)
def test_what_is_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("passages.size", "wanted key=value"),
        ("=3", "wanted key=value"),
        ("passages.size=many", r"passages\.size"),
        ("name.first=1", "name is a value, not a section"),
        ("passages.sise=3", "unknown key 'passages.sise'"),
    ],
)
def test_overrides_that_are_refused(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(SMALL, [override])


def test_an_error_names_the_overrides_beside_the_recipe() -> None:
    with pytest.raises(
        RecipeError, match=r"bm25\.toml with passages\.size=0, passages\.mode=first: passages\.size"
    ):
        load_recipe("bm25", ["passages.size=0", "passages.mode=first"])
    with pytest.raises(RecipeError, match=r'flat\.toml with dense\.model=none: dense\.model = "none" needs'):
        load_recipe("flat", ["dense.model=none"])


@pytest.mark.parametrize("content", [b"[bm25", b"name = '\xff'", b"name = 1\nname = 2"])
def test_files_that_are_no_recipe_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"mine\.toml is not valid TOML"):
        load_recipe(path)


def test_recipes_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the shipped ones are bm25, flat"):
        load_recipe("bm52")
    with pytest.raises(RecipeError, match="no recipe file"):
        load_recipe(tmp_path / "nothing.toml")


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 1000),
    language=st.sampled_from(["english", "german"]),
    k1=st.floats(0, 5),
    weights=st.dictionaries(st.sampled_from(["bm25", "dense"]), st.floats(0, 10)),
)
def test_the_same_recipe_has_the_same_digest_however_it_was_said(
    size: int, language: str, k1: float, weights: dict[str, float]
) -> None:
    whole = {
        **DENSE,
        "bm25": {"language": language},
        "passages": {"size": size},
        "search": {"bm25": {"k1": k1}, "weights": weights},
    }
    said = [f"passages.size={size}", f'bm25.language="{language}"', "search.depth=3"]
    assert load_recipe(whole).digest == load_recipe({**DENSE, "bm25": {}}, said).digest
    assert load_recipe(load_recipe(whole)) == load_recipe(whole)
    assert isinstance(load_recipe(whole), Recipe)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"uhd": {}}, ("token", 16_384, 16, 512)),
        ({"uhd": {"level": "text"}}, ("text", 8192, 512, 0)),
        ({"uhd": {"level": "text", "winners": 256}}, ("text", 8192, 256, 0)),
        ({"uhd": {"cap": 0, "dimensions": 4096}}, ("token", 4096, 16, 0)),
        ({"uhd": {"model": "none", "hidden": 4}}, ("text", 8192, 512, 0)),
        ({"dense": {}, "uhd": {}}, ("text", 8192, 512, 0)),
    ],
)
def test_the_level_of_codes_and_its_numbers(
    recipe: dict[str, Any], expected: tuple[str, int, int, int]
) -> None:
    """Tokens are coded unless there are vectors; what nobody said is no more than a default."""
    found = load_recipe({"name": "x", **recipe})
    uhd = found.uhd
    assert uhd is not None
    assert (uhd.level, uhd.dimensions, uhd.winners, uhd.cap) == expected
    said = {**recipe["uhd"], **({"level": "text"} if "dense" in recipe else {})}
    assert uhd.model_fields_set == set(said) | ({"hidden"} if "hidden" in said else set())
    assert load_recipe(found.model_dump(exclude_none=True)) == found


@pytest.mark.parametrize(
    ("uhd", "message"),
    [
        ({"level": "text", "cap": 100}, r"uhd\.cap = 100 .* leave it out"),
        ({"level": "tokens"}, r"uhd\.level"),
        ({"cap": -1}, r"uhd\.cap"),
        ({"model": "none", "hidden": 4, "level": "token"}, "codes the tokens of a model"),
    ],
)
def test_levels_that_cannot_be(uhd: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe({"name": "x", "uhd": uhd})
