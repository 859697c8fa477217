"""What a recipe leaves to the machine or to the model: back end, precision, prompts, a trained head's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retrieve.errors import RecipeError, UsageError
from retrieve.passages.record import EncoderRecord
from retrieve.recipe import UHD, Encoding, Recipe, Splade

if TYPE_CHECKING:
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder


def check_encoder(given: object) -> None:
    """Raise `UsageError` for what is no encoder: a name, a folder, another library's model."""
    from retrieve.encoders.dense.encoder import Encoder
    from retrieve.encoders.sparse.encoder import SparseTextEncoder

    if not isinstance(given, Encoder | SparseTextEncoder):
        raise UsageError(
            f"an encoder was given as {type(given).__name__}: wanted what load_encoder or load_sparse_encoder gives of "
            "a model's folder or name"
        )


def resolved(
    recipe: Recipe,
    expected: EncoderRecord | None,
    given: Encoder | SparseTextEncoder | None = None,
    device: str | None = None,
) -> Recipe:
    """The recipe with what "auto" means on this machine, or meant to an index's builder, the folder's prompts, and a
    head's numbers. A `given` encoder is what the recipe names, in place of what it said.
    """
    section = recipe.encoding
    if section is None or section.own_vectors:
        if given is not None:
            raise RecipeError(f"recipe {recipe.name!r} has no view with an encoder: leave encoder= out")
        return recipe
    if given is not None and expected is None:
        recipe = _saying(recipe, _said_by(given, recipe))
    if expected is None:
        from retrieve.passages.uhd_coder import resolve_head

        recipe = resolve_head(_with_prompts(recipe))
    return _with_runtime(recipe, expected, device)


def with_model(recipe: Recipe, encoder: str | Encoder | SparseTextEncoder) -> Recipe:
    """The recipe without what it said for another model's sake: the folder or name `encoder` in its place, with that
    folder's prompts, or what is said when that encoder is handed in.
    """
    from retrieve.encoders.dense.encoder import Encoder

    if isinstance(encoder, str):
        if encoder == "none":
            raise RecipeError(
                'the model "none" stands for vectors of your own, which no encoder makes: build a new index for them'
            )
        said: dict[str, Any] = {"model": encoder, "query_prompt": None, "document_prompt": None}
        return _saying(recipe, said | ({} if recipe.vectors is None else {"pooling": None}))
    check_encoder(encoder)
    if isinstance(encoder, Encoder) and recipe.vectors is not None:
        return _saying(recipe, {"pooling": encoder.own_pooling})
    return recipe


def query_runtime(
    recipe: Recipe, asked: tuple[str, str], device: str | None = None, model: str | None = None
) -> tuple[str, str]:
    """The back end and precision asked for queries, checked. `model`: its folder, if it moved.

    Raises as `resolve_runtime`.
    """
    from retrieve.encoders.machine import resolve_runtime

    if recipe.encoding is not None and recipe.vectors is None:
        return _sparse_runtime(recipe.encoding, *asked, device, model)
    return resolve_runtime(*asked, device=device)


def _sparse_runtime(
    section: Encoding, backend: str, precision: str, device: str | None, model: str | None = None
) -> tuple[str, str]:
    from retrieve.encoders.sparse.encoder import sparse_runtime
    from retrieve.passages.uhd_coder import untrained_head

    untrained = untrained_head(section) if isinstance(section, UHD) else None
    return sparse_runtime(model or section.model, backend, precision, device, untrained)


def _said_by(encoder: Encoder | SparseTextEncoder, recipe: Recipe) -> dict[str, Any]:
    from retrieve.encoders.dense.encoder import Encoder

    if isinstance(encoder, Encoder) != (recipe.vectors is not None):
        wanted = "dense vectors" if recipe.vectors is not None else "sparse weights"
        raise RecipeError(
            f"the encoder {encoder.name} does not give what recipe {recipe.name!r} wants: {wanted}"
        )
    said: dict[str, Any] = {
        "model": encoder.name,
        "backend": encoder.runtime.backend,
        "precision": encoder.runtime.precision,
        "limit": encoder.limit,
        "query_prompt": encoder.query_prompt,
        "document_prompt": encoder.document_prompt,
    }
    return said | ({"normalize": encoder.normalize} if recipe.vectors is not None else {})


def _with_prompts(recipe: Recipe) -> Recipe:
    """What the recipe does not say of prompts is as the model's folder has it; "" is to go without."""
    section = recipe.encoding
    assert section is not None
    if section.query_prompt is not None and section.document_prompt is not None:
        return recipe
    from retrieve.encoders.load import folder_prompts

    query, document = folder_prompts(section.model, section.query_prompt, section.document_prompt)
    return _saying(recipe, {"query_prompt": query, "document_prompt": document})


def _with_runtime(recipe: Recipe, expected: EncoderRecord | None, device: str | None) -> Recipe:
    section = recipe.encoding
    assert section is not None
    if "auto" not in (section.backend, section.precision):
        return recipe
    if expected is not None:
        runtime = expected.backend or "torch", expected.precision or "fp32"
    elif recipe.vectors is None:
        runtime = _sparse_runtime(section, section.backend, section.precision, device)
    else:
        from retrieve.encoders.load import runtime_of

        pooling = None if isinstance(section, Splade) else section.pooling
        runtime = runtime_of(section.model, pooling, section.backend, section.precision, device)
    return _saying(recipe, dict(zip(("backend", "precision"), runtime, strict=True)))


def _saying(recipe: Recipe, said: Mapping[str, Any]) -> Recipe:
    """The recipe with these values in every section that has an encoder: it is one and the same."""
    sections: dict[str, Encoding | None] = {"dense": recipe.dense, "uhd": recipe.uhd, "splade": recipe.splade}
    return recipe.model_copy(
        update={name: kept.model_copy(update=said) for name, kept in sections.items() if kept is not None}
    )
