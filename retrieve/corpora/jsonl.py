"""JSON lines: one object a line. The format of BEIR, and ours for everything that is made by a program.

Stricter than `json.loads`, which takes the last of two equal keys and accepts NaN: both would change data silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

from retrieve.corpora.check import MAX_NESTING, document_from
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.rows import Rows, parsed_rows
from retrieve.corpora.stream import Line, Stream, numbered_lines
from retrieve.errors import InputError

T = TypeVar("T")

_BLANK = " \t\r\n"


def read_jsonl(stream: Stream, options: ReadOptions) -> Records:
    """The documents of a file, one a line; blank lines carry nothing and are passed over."""
    yield from json_rows(stream, options, document_from)


def json_rows(stream: Stream, options: ReadOptions, parse: Callable[[dict[str, Any], str], T]) -> Rows[T]:
    """The rows of a file. `parse(fields, where)` makes what an object stands for, or raises `InputError`."""

    def parse_line(line: str, where: str) -> T:
        return parse(parse_object(line, where), where)

    return parsed_rows(stream.name, filled_lines(stream, options), parse_line)


def filled_lines(stream: Stream, options: ReadOptions) -> Iterator[Line]:
    """The lines that are not blank."""
    for number, line in numbered_lines(stream, options.max_line):
        if isinstance(line, InputError) or line.strip(_BLANK):
            yield number, line


def parse_object(line: str, where: str) -> dict[str, Any]:
    """The JSON object in one line. Raises `InputError` for anything else, with the column where that is known."""
    if "\0" in line:
        raise InputError(where, f"NUL byte at column {line.index(chr(0)) + 1}: remove it")
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        if line[error.pos : error.pos + 1] == "\ufeff":
            raise InputError(
                where,
                f"a byte order mark at column {error.colno}, as where files are joined and the first has no line end: "
                "put one in its place",
            ) from None
        raise InputError(
            where, f"broken JSON at column {error.colno}: {error.msg}; wanted one JSON object on one line"
        ) from None
    except _RefusedError as error:
        raise InputError(where, str(error)) from None
    except RecursionError:
        raise InputError(where, f"JSON nested deeper than {MAX_NESTING}: flatten it") from None
    except ValueError:  # Python refuses to convert more than 4,300 digits
        raise InputError(where, "an integer beyond 64 bits: write it as a string") from None
    if not isinstance(value, dict):
        raise InputError(where, f"the line holds {line.strip()[:20]!r}…, wanted a JSON object {{…}}")
    return value


class _RefusedError(ValueError):
    """Something that Python's decoder accepts and we do not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _RefusedError(f"the key {twice!r} occurs twice in one object: keep one of them")
    return made


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not JSON; wanted a finite number: leave it out, or write null")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
