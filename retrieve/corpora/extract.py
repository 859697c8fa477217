"""Title and text of one file that a person wrote: plain text or Markdown.

Each function takes what it needs and gives an `Extracted`; what cannot be read is an `InputError` that names the
file.
"""

from __future__ import annotations

import re

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.front_matter import front_matter
from retrieve.corpora.stream import whole_text

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def plain_text(data: bytes, where: str) -> Extracted:
    """No title; the text as it is, with line ends as LF. UTF-8, or what a byte order mark says."""
    return Extracted(whole_text(data, where).replace("\r\n", "\n").replace("\r", "\n"))


def markdown(data: bytes, where: str) -> Extracted:
    """The text as it is below front matter, which is its metadata. Title: that of the front matter, or else the first
    heading (outside of code), which stays in the text.
    """
    metadata, text = front_matter(plain_text(data, where).text, where)
    title = metadata.get("title")
    if isinstance(title, str | int | float) and str(title).strip():
        del metadata["title"]
        return Extracted(text, str(title).strip(), metadata=metadata)
    return Extracted(text, _first_heading(text), metadata=metadata)


def _first_heading(text: str) -> str:
    fence = ""
    previous = ""
    for line in text.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence:
            if heading := _HEADING.match(line):
                return heading[1]
            if previous.strip() and re.fullmatch(r" {0,3}=+[ \t]*", line):
                return previous.strip()
        previous = line
    return ""
