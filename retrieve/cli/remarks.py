"""What a person is told beside the hits: what the question asked for that no search does, and why nothing was found."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from retrieve.cli.output import one_line

if TYPE_CHECKING:
    from retrieve.api import Index

_log = logging.getLogger("retrieve")

_OPERATORS = re.compile(r'"[^"]+"|\b(?:AND|OR|NOT)\b|\w\*(?!\w)')
_LOOKED_AT = 1_000
"""Documents in which the fields of a filter that selects nothing are looked for."""


def remark_on(query: str) -> None:
    """Say that phrases, operators and wildcards are words like any other; a question all in capitals has none."""
    if not query.isupper() and (found := _OPERATORS.search(query)):
        _log.info(
            "%s has no meaning of its own in a search: all words are looked for, in any order, and the documents "
            "that have most of them come first",
            one_line(found[0]),
        )


def remark_on_nothing(index: Index, query: str, options: Mapping[str, Any]) -> None:
    """Say why there is no hit, where that can be seen."""
    where = options.get("where")
    if where is not None and next(index.ids(where), None) is None:
        _log.info("the filter selects no document%s", "".join(_values(index, where)))
        return
    section = index.recipe.bm25
    if section is None or options.get("using", "bm25") != "bm25":
        return
    from retrieve.search.snippets import cached_analyzer

    analyzer = cached_analyzer(section)
    if analyzer.asked(query):
        return
    if analyzer.count_words(query):
        said = "every word of %r is a stop word (bm25.stopwords = true): it stands in no index, and finds nothing"
    else:
        said = "there is no word in %r, and so nothing to look for"
    _log.info(said, one_line(query))


def _values(index: Index, where: Any) -> list[str]:
    """What the fields of a filter hold, by the first document that has each: a year may be a text."""
    from retrieve.store.filters import look_up, parse_filter

    fields = sorted(parse_filter(where).fields)
    documents = index.get_many(islice(index.ids(), _LOOKED_AT))
    told = []
    for field in fields:
        for document in documents:
            if document is not None and (held := look_up(document.metadata, field))[0]:
                told.append(
                    f"; {field} is {json.dumps(held[1], ensure_ascii=False)} in {one_line(document.id)}"
                )
                break
    return told
