"""Subject and text of one mail (.eml), as a mail program shows it: the body in one form, and mails that it forwards.

The standard library takes the mail apart. Of the forms of one body (`multipart/alternative`) the plain one is read, or
the HTML one where there is no plain text; attachments are not read. Who wrote to whom stands above the text, as on a
printed mail, so that a mail is found by a name, and with its date in the metadata. Bytes that are not in the part's
charset become U+FFFD, as mail programs have it: nobody can mend a mail that was sent.
"""

from __future__ import annotations

import email
import email.header
import re
from datetime import UTC
from email.errors import HeaderParseError
from email.message import Message
from email.utils import parsedate_to_datetime

from retrieve.corpora.extracted import Extracted, WhyEmpty
from retrieve.corpora.html_encoding import decoded_page, in_charset
from retrieve.corpora.html_page import page_text
from retrieve.corpora.stream import wide, without_mark
from retrieve.errors import InputError

_LOCKED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_SHOWN = ("text/plain", "text/html", "text/markdown")
_PEOPLE = ("From", "To", "Cc")


def mail_text(data: bytes, where: str) -> Extracted:
    """The subject as title, the text with From, To and Cc above it, and these and the date as metadata.

    `from`, `to` and `cc` are strings as they stand in the header, decoded. `date` is ISO 8601 in UTC, so that dates
    compare as strings; one that is no date is left out. A mail without text is blank, whoever wrote it. Raises
    `InputError` for what has no header of a mail.
    """
    if not data.strip():
        return Extracted("")
    if refused := wide(data, where):  # charsets that its parts name would be wrong
        raise refused
    reading = _Reading(where)
    try:
        mail = email.message_from_bytes(without_mark(data))
        if not mail.keys():
            raise InputError(where, "is no mail: it does not begin with a header; rename it or take it out")
        parts = reading.texts(mail)
    except RecursionError:
        raise InputError(where, "is a mail with too many parts inside of one another: take it out") from None
    texts = [part for part in map(_tidy, parts) if part]
    text = "\n\n".join([*_people(mail), *texts]) if texts else ""
    why_empty: WhyEmpty = "locked" if reading.locked else "markup only"
    return Extracted(text, _header(mail, "subject"), why_empty, _metadata(mail))


class _Reading:
    """One pass over the parts of a mail. `locked`: whether any of them is encrypted."""

    def __init__(self, where: str) -> None:
        self.locked = False
        self._where = where

    def texts(self, part: Message) -> list[str]:
        """The texts of a part, in order."""
        kind = part.get_content_type()
        if kind in _LOCKED:
            self.locked |= part.get_param("smime-type") != "signed-data"
            return []
        if kind == "message/rfc822":
            mails = _children(part)
            return [
                text
                for mail in mails
                for text in (_header(mail, "subject"), *_people(mail), *self.texts(mail))
            ]
        if part.get_content_disposition() == "attachment":
            return []
        if kind == "multipart/alternative":
            return self._best(part)
        if part.is_multipart():
            return [text for inner in _children(part) for text in self.texts(inner)]
        return [_text(part, self._where)] if kind in _SHOWN else []

    def _best(self, part: Message) -> list[str]:
        """One of several forms of the same text: the plain one, else the last that has any text."""
        best: list[str] = []
        for inner in _children(part):
            found = self.texts(inner)
            if any(text.strip() for text in found):
                best = found
                if inner.get_content_type() == "text/plain":
                    break
        return best


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _text(part: Message, where: str) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    if part.get_content_type() == "text/html":
        try:
            source = decoded_page(data, where) if charset is None else in_charset(data, charset)
        except InputError:  # of an undeclared page
            source = in_charset(data, "windows-1252")
        return page_text(source, where).text
    text = in_charset(data, charset)
    return _unflowed(text, part) if part.get_param("format") == "flowed" else text


def _unflowed(text: str, part: Message) -> str:
    """Lines that end with a space go on in the next one (RFC 3676); with `delsp=yes` the space is not the text's."""
    drop = str(part.get_param("delsp")).lower() == "yes"
    lines: list[str] = []
    goes_on = False
    for line in text.replace("\r\n", "\n").split("\n"):
        own = line.removeprefix(" ")  # space-stuffed
        lines[-1:] = [lines[-1] + own] if goes_on else [*lines[-1:], own]
        goes_on = line.endswith(" ") and line != "-- "
        if goes_on and drop:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _tidy(text: str) -> str:
    """Line ends as LF, no spaces at line ends, no NUL, at most one blank line in a row."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def _people(mail: Message) -> list[str]:
    """One piece of text: a line for each header of people that there is."""
    lines = [f"{name}: {people}" for name in _PEOPLE if (people := _header(mail, name.lower()))]
    return ["\n".join(lines)] if lines else []


def _metadata(mail: Message) -> dict[str, str]:
    found = {name.lower(): _header(mail, name.lower()) for name in _PEOPLE} | {"date": _date(mail)}
    return {name: value for name, value in found.items() if value}


def _date(mail: Message) -> str:
    """ISO 8601 in UTC, which is also what a date without a zone is taken for; empty for what is no date."""
    try:
        date = parsedate_to_datetime(_header(mail, "date"))
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return ""
    return date.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _header(mail: Message, name: str) -> str:
    """A header's text on one line; its encoded words are decoded."""
    raw = next((value for key, value in mail.raw_items() if key.lower() == name), "")
    line = " ".join(in_charset(str(raw).encode("utf-8", "surrogateescape"), None).split())
    try:
        words = email.header.decode_header(line)
    except (HeaderParseError, ValueError):
        return line
    pieces = (
        piece
        if isinstance(piece, str)
        else in_charset(piece, charset)
        if charset
        else piece.decode("raw-unicode-escape")  # as the module encodes what is beside encoded words
        for piece, charset in words
    )
    return " ".join("".join(pieces).replace("\0", "\ufffd").split())
