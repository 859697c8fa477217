"""Documents made in Python: the same rules as for files."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.check import check_document, document_from
from retrieve.errors import InputError
from retrieve.types import Document

LIST: list[Any] = []
LIST.append(LIST)  # contains itself


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": ""}, "id is empty"),
        ({"id": 7}, 'write "id": "7"'),
        ({"id": b"a"}, "id is of type bytes"),
        ({"text": None}, "document 'a': text is null"),
        ({"title": None}, "title is null"),
        ({"text": "x\0"}, "NUL at character 2"),
        ({"title": "ü\ud800"}, "lone surrogate (\\ud800) at character 2"),
        ({"metadata": None}, "metadata is null, wanted an object"),
        ({"metadata": MappingProxyType({})}, "metadata is of type mappingproxy"),
        ({"metadata": {1: 2}}, "a number as a key"),
        ({"metadata": {"a": {"b": math.nan}}}, "metadata.a.b is nan"),
        ({"metadata": {"a": [np.float64("inf")]}}, "metadata.a[] is inf"),
        ({"metadata": {"a": 2**63}}, "beyond 64 bits"),
        ({"metadata": {"a": -(2**63) - 1}}, "beyond 64 bits"),
        ({"metadata": {"a": np.int64(1)}}, "of type int64"),
        ({"metadata": {"a": {1, 2}}}, "of type set"),
        ({"metadata": {"a": LIST}}, "nested deeper than 64"),
        ({"metadata": {"a": "\0"}}, "metadata.a has a NUL"),
        ({"metadata": {"a\udfff": 1}}, "a key of metadata has a lone surrogate"),
    ],
)
def test_what_cannot_be_stored_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        check_document(Document(**{"id": "a", "text": "t", **fields}))
    assert message in str(raised.value)


def test_what_can_be_stored_passes() -> None:
    metadata = {"a": [1, 1.5, True, None, "😀", (2, 3)], "b": {"c": -(2**63)}, "": 2**63 - 1}
    check_document(Document("a", "", "", metadata))


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters() | st.sampled_from("\0\ud800\udfff"), max_size=20))
def test_text_is_refused_exactly_when_it_has_a_nul_or_half_a_character(text: str) -> None:
    bad = any(character == "\0" or 0xD800 <= ord(character) <= 0xDFFF for character in text)
    if bad:
        with pytest.raises(InputError):
            check_document(Document("a", text))
    else:
        check_document(Document("a", text))


def test_a_dict_becomes_a_document_and_is_not_changed() -> None:
    given_fields = {"id": "a", "text": "t", "year": 2020, "metadata": {"court": "BGH"}}
    document = document_from(given_fields)
    assert document == Document("a", "t", "", {"court": "BGH", "year": 2020})
    assert given_fields["metadata"] == {"court": "BGH"}


@pytest.mark.parametrize("value", [None, ["id", "text"], "id", 3])
def test_no_mapping_no_document(value: Any) -> None:
    with pytest.raises(InputError, match="wanted an object"):
        document_from(value, "place")
