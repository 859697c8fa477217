"""A recipe says how an index is built and how it is searched unless a search says otherwise.

Recipes are data (TOML), every key is known, and the fully resolved recipe is kept in the index's manifest, so that
an index never depends on a file that may have changed since. Everything outside `[search]` decides the bytes of an
index and enters its digest; `[search]` holds defaults that may be overridden at any time.
"""

from retrieve.recipe.encodings import (
    MOST_PROJECTED,
    UHD,
    VECTOR_FOLDERS,
    Dense,
    Encoding,
    Section,
    Splade,
    VectorForm,
)
from retrieve.recipe.load import load_recipe, load_section, load_values, shipped
from retrieve.recipe.sections import (
    ANALYSIS_OPTIONS,
    BM25,
    FIRST_RULES,
    VIEWS,
    Aggregate,
    FusionMethod,
    Recipe,
    Segments,
    Unit,
    canonical,
    register_section,
)

__all__ = [
    "ANALYSIS_OPTIONS",
    "BM25",
    "FIRST_RULES",
    "MOST_PROJECTED",
    "UHD",
    "VECTOR_FOLDERS",
    "VIEWS",
    "Aggregate",
    "Dense",
    "Encoding",
    "FusionMethod",
    "Recipe",
    "Section",
    "Segments",
    "Splade",
    "Unit",
    "VectorForm",
    "canonical",
    "load_recipe",
    "load_section",
    "load_values",
    "register_section",
    "shipped",
]
