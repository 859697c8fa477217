"""What a recipe leaves to the machine or to the model: back end, precision, and the numbers of a trained head."""

from __future__ import annotations

from retrieve.errors import RecipeError
from retrieve.recipe import Encoding, Recipe, Splade
from retrieve.store.manifest import EncoderRecord


def resolved(recipe: Recipe, expected: EncoderRecord | None) -> Recipe:
    """The recipe with what "auto" means on this machine, or meant to an index's builder, and a head's numbers."""
    found = _with_runtime(recipe, expected)
    section = found.encoding
    if expected is not None or section is None or section.own_vectors:
        return found
    from retrieve.store.coder import resolve_head

    return resolve_head(found)


def query_runtime(recipe: Recipe, asked: tuple[str, str]) -> tuple[str, str]:
    """The back end and precision asked for queries, checked. Raises as `resolve_runtime`."""
    from retrieve.encoders.machine import resolve_runtime

    backend, precision = asked
    if recipe.encoding is not None and recipe.vectors is None:
        if backend == "openvino":
            raise RecipeError(f"{recipe.views[-1]} is encoded by torch alone: backend openvino cannot be had")
        backend = "torch"
    return resolve_runtime(backend, precision)


def _with_runtime(recipe: Recipe, expected: EncoderRecord | None) -> Recipe:
    section = recipe.encoding
    if section is None or section.own_vectors or "auto" not in (section.backend, section.precision):
        return recipe
    if expected is not None:
        runtime = expected.backend or "torch", expected.precision or "fp32"
    elif recipe.vectors is None:
        from retrieve.encoders.machine import resolve_runtime

        runtime = resolve_runtime("torch", section.precision)
    else:
        from retrieve.encoders.load import runtime_of

        pooling = None if isinstance(section, Splade) else section.pooling
        runtime = runtime_of(section.model, pooling, section.backend, section.precision)
    said = dict(zip(("backend", "precision"), runtime, strict=True))
    sections: dict[str, Encoding | None] = {"dense": recipe.dense, "uhd": recipe.uhd, "splade": recipe.splade}
    return recipe.model_copy(
        update={name: kept.model_copy(update=said) for name, kept in sections.items() if kept is not None}
    )
