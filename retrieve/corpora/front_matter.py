"""Front matter: what Jekyll, Hugo, Obsidian and Pandoc let an author write above a Markdown text, in YAML or TOML.

It is the author's own metadata, so that it can be filtered on and does not stand in a passage among sentences. What
begins like it and cannot be read stays in the text: a rule of three hyphens is Markdown too.
"""

from __future__ import annotations

import json
import logging
import re
import tomllib
from datetime import date, time
from typing import Any, NamedTuple

from retrieve.corpora.check import check_document
from retrieve.errors import InputError
from retrieve.types import Document

logger = logging.getLogger("retrieve")

_YAML = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML = re.compile(r"\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class FrontMatter(NamedTuple):
    """An author's metadata, as JSON can hold them (dates as ISO 8601), and the text that follows them."""

    metadata: dict[str, Any]
    text: str


def front_matter(text: str, where: str) -> FrontMatter:
    """The metadata above a text with LF as line ends, or none, and the text as it is."""
    for form, read in ((_YAML, _yaml), (_TOML, tomllib.loads)):
        found = form.match(text)
        if found is None:
            continue
        try:
            metadata = _plain(read(found[1]))
            if isinstance(metadata, dict):
                check_document(Document("front matter", "", metadata=metadata))
                return FrontMatter(metadata, text[found.end() :])
        except (ValueError, RecursionError, InputError) as error:
            said = " ".join(str(error).split())
            logger.warning("%s: what stands above the text stays in it, as no metadata: %s", where, said)
    return FrontMatter({}, text)


def _yaml(block: str) -> Any:
    """YAML's plain data. An alias is refused: a few lines of them stand for gigabytes."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(block, Loader=loader)):
            raise ValueError("it has an alias (*name)")
        return yaml.load(block, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _plain(value: Any) -> Any:
    """The value with dates and times as strings, and keys that are none as JSON would write them."""
    if isinstance(value, dict):
        keys = (key if isinstance(key, str) else json.dumps(_plain(key)).strip('"') for key in value)
        return dict(zip(keys, map(_plain, value.values()), strict=True))
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date | time) else value
