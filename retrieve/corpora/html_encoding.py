"""The characters of an HTML file, by the encoding that a browser takes.

The order is the HTML standard's: a byte order mark, then the first <meta> of the head that names an encoding, then an
XML declaration; labels mean what the WHATWG encoding standard says (`latin1` is windows-1252). Two things differ on
purpose: a page that declares nothing is UTF-8, and bytes that are not in the encoding are an error, not U+FFFD.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from retrieve.corpora.html_tree import tree_of
from retrieve.corpora.stream import unmarked, wide
from retrieve.errors import InputError, MissingExtra

_HEAD = 1 << 16
"""Bytes in which a declaration is looked for. The standard says 1,024; browsers go on to the end of the head."""

_CONTENT = re.compile(r"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.IGNORECASE)
_XML = re.compile(rb"\A<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]+)[\"']")


def decoded_page(data: bytes, where: str) -> str:
    """The text of the file. Raises `InputError` naming the encoding for bytes that it does not have."""
    text = unmarked(data, where)
    if text is not None:
        return text
    if refused := wide(data, where) if 0 in data else None:
        raise refused
    declared = _declared(data)
    name, codec = declared or ("utf-8", "utf-8")
    try:
        return data.decode(codec, _CONTROLS if codec in _WINDOWS else "strict")
    except ValueError as error:
        told = "" if declared else ", which a page without a declaration is taken for"
        raise InputError(
            where, f"is not readable as {name}{told} ({error}): convert the file to UTF-8 and declare that"
        ) from error


def in_charset(data: bytes, label: str | None) -> str:
    """The text of a part of a mail, whose charset may be wrong and cannot be corrected.

    Without a label, or with that of ASCII, it is UTF-8, or windows-1252 if it is not. What is not in its charset, or in
    one that exists, is UTF-8 with U+FFFD in the place of other bytes.
    """
    if label is None or label.lower() in ("ascii", "us-ascii"):
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            label = "windows-1252"
    _, codec = encoding_of(label) or ("utf-8", "utf-8")
    try:
        return data.decode(codec, _CONTROLS if codec in _WINDOWS else "strict")
    except ValueError:
        return data.decode("utf-8", "replace")


def encoding_of(label: str) -> tuple[str, str] | None:
    """The standard's name and Python's name of an encoding that text is written in; None if there is none."""
    try:
        import webencodings
    except ImportError as error:
        raise MissingExtra("reading HTML files and mails", "files") from error
    found = webencodings.lookup(label)
    if found is None or found.name == "replacement":
        return None
    if found.name in ("windows-1252", "x-user-defined"):
        return "windows-1252", "cp1252"
    return found.name, "gb18030" if found.name == "gbk" else found.codec_info.name  # which holds all of it


def _declared(data: bytes) -> tuple[str, str] | None:
    """The first declared encoding that exists."""
    for label in _labels(data[:_HEAD]):
        if found := encoding_of(label):
            # The declaration would not have been understood if the page were UTF-16.
            return ("utf-8", "utf-8") if found[0].startswith("utf-16") else found
    return None


def _labels(head: bytes) -> Iterator[str]:
    if b"charset" in head.lower():
        for meta in tree_of(head.decode("latin-1")).css("meta"):
            attributes = meta.attributes
            if label := attributes.get("charset"):
                yield label
            elif (attributes.get("http-equiv") or "").lower() == "content-type" and (
                match := _CONTENT.search(attributes.get("content") or "")
            ):
                yield next(filter(None, match.groups()), "")
    if match_xml := _XML.match(head):
        yield match_xml[1].decode("latin-1")


def _control(error: UnicodeError) -> tuple[str, int]:
    """Bytes to which the standard gives the control character of the same number, and Python gives none."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


_CONTROLS = "retrieve-controls"
_WINDOWS = frozenset(f"cp{number}" for number in (874, *range(1250, 1259)))
codecs.register_error(_CONTROLS, _control)
