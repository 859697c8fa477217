"""Recipes from their sources: shipped ones, TOML files, mappings, each with overrides; faults are named by key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from retrieve.errors import RecipeError, did_you_mean
from retrieve.recipe.sections import Recipe, recipe_record

Section = TypeVar("Section", bound=BaseModel)


def shipped() -> dict[str, Path]:
    """Recipes that come with the package: name → file."""
    inside = Path(str(resources.files("retrieve") / "recipes"))
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "indexes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(source: str | Path | Mapping[str, Any] | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by shipped name, TOML file or mapping, with `key=value` overrides applied.

    Raises `RecipeError` naming the key for an unknown key, a wrong type or contradicting settings.
    """
    if isinstance(source, Recipe):
        values = source.model_dump(mode="json", exclude_none=True)
        origin = f"recipe {source.name}"
    elif isinstance(source, Mapping):
        values, origin = _plain(source), "recipe given as a mapping"
    else:
        path = _recipe_file(source)
        values, origin = _read_toml(path, "recipe"), f"recipe {path}"
        values.setdefault("name", path.stem)
    if overrides:
        origin += f" with {', '.join(overrides)}"
    for override in overrides:
        _apply_override(values, override)
    return _validate(recipe_record(values), values, origin)


def _plain(source: Mapping[str, Any]) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(json.dumps(dict(source)))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"a recipe is made of strings, numbers, lists and sections: {error}") from error
    return values


def _recipe_file(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise RecipeError(f"no recipe file {path}")
        return path
    known = shipped()
    if str(source) not in known:
        raise RecipeError(
            f"no recipe {str(source)!r}{did_you_mean(str(source), known)}: the shipped ones are "
            f"{', '.join(known)}; or give a .toml file"
        )
    return known[str(source)]


def _read_toml(path: Path, noun: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{noun} {path} is not valid TOML, which is UTF-8 ({error}): save it so") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{noun} {path} is not valid TOML: {error}") from error


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"override {override!r}: wanted key=value, as in passages.size=128")
    import tomllib

    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    _set(values, key.strip(), value, f"override {override!r}")


def _set(values: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *sections, last = key.split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise RecipeError(f"{origin}: {section} is a value, not a section")
    target[last] = value


def load_values(
    kind: type[Section], source: Path | Mapping[str, Any], settings: Mapping[str, Any], *, noun: str
) -> Section:
    """A record of sections from a TOML file or a mapping, with settings of dotted keys applied; `noun` is for messages.

    Raises `RecipeError` naming the key for an unknown key, a wrong type or contradicting settings.
    """
    if isinstance(source, Path):
        values, origin = _read_toml(source, noun), f"{noun} {source}"
        values.setdefault("name", source.stem)
    else:
        values, origin = _plain(source), f"{noun} given as a mapping"
    for key, value in _plain(settings).items():
        _set(values, key, value, f"setting {key!r}")
    return _validate(kind, values, origin)


def load_section(kind: type[Section], name: str, values: Mapping[str, Any]) -> Section:
    """One section of a recipe from its values. Raises `RecipeError` naming the key."""
    return _validate(kind, values, f"recipe section [{name}]")


def _validate(kind: type[Section], values: Mapping[str, Any], origin: str) -> Section:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RecipeError(
            f"{origin}: {'; '.join(_explain(kind, item) for item in error.errors())}"
        ) from error


def _explain(kind: type[BaseModel], item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "recipe"
    if item["type"] == "extra_forbidden":
        known = _known_keys(kind, item["loc"][:-1])
        last = str(item["loc"][-1])
        return f"unknown key {key!r}{did_you_mean(last, known)}; known here: {', '.join(known)}"
    if item["type"] == "value_error":  # raised above, in words that name the keys and what was got
        return str(item["ctx"]["error"])
    return f"{key}: {item['msg']} (got {item['input']!r})"


def _known_keys(section: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    for key in location:
        field = section.model_fields[str(key)]
        kinds = [field.annotation, *get_args(field.annotation)]
        section = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return sorted(section.model_fields)
