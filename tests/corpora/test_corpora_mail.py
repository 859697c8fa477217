"""Mails: the body in one form, forwarded mails, and no attachments."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.check import check_document
from retrieve.corpora.extracted import Extracted
from retrieve.corpora.mail import mail_text
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError
from retrieve.types import Document


def mail(subject: str, text: str, html: str = "") -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = subject
    made.set_content(text)
    if html:
        made.add_alternative(html, subtype="html")
    return made


def read(made: EmailMessage | bytes) -> Extracted:
    return mail_text(made if isinstance(made, bytes) else made.as_bytes(), "a.eml")


def test_the_plain_form_is_read_and_the_subject_is_the_title() -> None:
    made = mail("Größe der Wohnung 日本", "Plain — text\n\n\n\nof it  \n", "<p>HTML text")
    made.add_attachment(b"%PDF attached words", maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment("attached words", filename="a.txt")
    assert read(made) == Extracted("Plain — text\n\nof it", "Größe der Wohnung 日本", "markup only")


def test_html_is_read_where_there_is_no_plain_text() -> None:
    assert read(mail("s", " \n", "<style>x</style><p>One <b>w</b>ord<p>Two")).text == "One word\nTwo"
    made = EmailMessage()
    made["Subject"] = "s"
    made.set_content("<meta charset=latin1><p>größe", subtype="html")
    made.add_related(b"GIF", maintype="image", subtype="gif", cid="<a>")
    assert read(made).text == "größe"
    undeclared = b"Subject: s\nContent-Type: text/html\n\n<p>gr\xf6\xdfe"
    assert read(undeclared).text == "größe"


def test_forwarded_mails_are_read_with_their_subjects() -> None:
    inner = mail("inner subject", "inner text")
    inner.add_attachment(mail("innermost", "deep", "<p>deep"))
    outer = mail("outer", "see below")
    outer.add_attachment(inner)
    assert read(outer).text.split("\n\n") == ["see below", "inner subject", "inner text", "innermost", "deep"]


def test_who_wrote_to_whom_and_when(tmp_path: Path) -> None:
    inner = mail("inner subject", "inner text")
    inner["From"] = "C. Claim <c@example.org>"
    made = mail("s", "The text.")
    made["From"] = "Zoë Okoro <z@example.org>"
    made["To"] = "a@example.org, b@example.org"
    made["CC"] = "c@example.org"
    made["Date"] = "Fri, 1 Mar 2024 00:30:00 +0100"
    made.add_attachment(inner)
    (tmp_path / "a.eml").write_bytes(made.as_bytes())
    people = {
        "from": "Zoë Okoro <z@example.org>",
        "to": "a@example.org, b@example.org",
        "cc": "c@example.org",
    }
    lines = "From: Zoë Okoro <z@example.org>\nTo: a@example.org, b@example.org\nCc: c@example.org"
    assert list(open_corpus(tmp_path)) == [
        Document(
            "a.eml",
            f"{lines}\n\nThe text.\n\ninner subject\n\nFrom: C. Claim <c@example.org>\n\ninner text",
            "s",
            people | {"date": "2024-02-29T23:30:00Z"},
        )
    ]


@pytest.mark.parametrize(
    ("date", "wanted"),
    [
        ("Fri, 01 Mar 2024 10:00:00 -0000", "2024-03-01T10:00:00Z"),
        ("1 Mar 2024 10:00", "2024-03-01T10:00:00Z"),
        ("Fri, 01 Mar 2024 10:00:00 EST (Eastern)", "2024-03-01T15:00:00Z"),
        ("yesterday", None),
        ("31 Dec 9999 23:59 -1200", None),
        ("Fri, 32 Mar 2024 10:00:00 +0000", None),
        ("", None),
    ],
)
def test_dates(date: str, wanted: str | None) -> None:
    read_as = read(f"Date: {date}\n\ntext".encode())
    assert read_as.metadata.get("date") == wanted
    assert read_as.text == "text"


def test_a_mail_without_text_keeps_who_wrote_it_as_metadata_alone() -> None:
    locked = b"From: a@b\nSubject: s\nContent-Type: application/pkcs7-mime\n\nx"
    assert read(locked) == Extracted("", "s", "locked", {"from": "a@b"})


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"\x93gr\xf6\xdfe\x94", "“größe”"),
        ("text/plain; charset=klingon", "größe".encode(), "größe"),
        ("text/plain", "größe".encode(), "größe"),
        ("text/plain; charset=us-ascii", "größe".encode("cp1252"), "größe"),
        ("text/plain; charset=us-ascii", "größe".encode(), "größe"),
        ("text/plain; charset=utf-8", b"gr\xf6e", "gr\ufffde"),
        ("text/plain; format=flowed", b"one \ntwo\n> x \n> y\n-- \nsign", "one two\n> x > y\n--\nsign"),
        ("text/plain; format=flowed; delsp=yes", "日 \n本".encode(), "日本"),
        ("text/plain", b"a\0b", "a\ufffdb"),
        ("text/calendar", b"BEGIN:VCALENDAR", ""),
        ("multipart/mixed; boundary=b", b"--b\n\none\n--b\n\ntwo", "one\n\ntwo"),
    ],
)
def test_characters_and_lines(header: str, body: bytes, text: str) -> None:
    data = b"Subject: s\nContent-Transfer-Encoding: 8bit\nContent-Type: " + header.encode() + b"\n\n" + body
    assert read(data).text == text


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"=?utf-8?q?gr=C3=B6=C3=9Fe?= =?iso-8859-1?q?_=E4?=", "größe ä"),
        ("größe".encode(), "größe"),
        (b"gr\xf6\xdfe =?utf-8?q?=C3=A4?=", "größe ä"),
        (b"=?klingon?q?abc?=", "abc"),
        (b"Re:\n folded", "Re: folded"),
        (b"", ""),
    ],
)
def test_subjects(raw: bytes, title: str) -> None:
    assert read(b"Subject: " + raw + b"\n\ntext").title == title


def test_a_mail_without_text_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"\n")
    encrypted = b"Subject: s\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--"
    (tmp_path / "locked.eml").write_bytes(encrypted)
    (tmp_path / "picture.eml").write_bytes(b"Subject: s\nContent-Type: image/png\n\nx")
    assert list(open_corpus(tmp_path)) == [
        Document("empty.eml", "", metadata={"no_text": "empty"}),
        Document("locked.eml", "", "s", {"no_text": "locked"}),
        Document("picture.eml", "", "s", {"no_text": "markup only"}),
    ]


def test_what_is_no_mail_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_text("\njust some text")
    with pytest.raises(InputError, match=r"a\.eml: is no mail"):
        list(open_corpus(tmp_path))


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=80)
    | st.lists(
        st.sampled_from(
            ["Subject: =?utf-8?b?!!?=", "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/rfc822",
             "--b", "--b--", "", "text", "Content-Transfer-Encoding: base64", "Content-Type: text/html; charset=x",
             "é\udcff", "From: é\udcff\0 <", "Date: 1 Mar 99999 99:99", "Date: Fri, 1 Mar 2024 1:1:1 +999999"]
        ),
        max_size=12,
    ).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogateescape"))
)  # fmt: skip
def test_random_mails_never_raise_anything_else(data: bytes) -> None:
    try:
        extracted = read(data)
    except InputError as error:
        assert error.where == "a.eml"
    else:
        (extracted.text + extracted.title).encode()
        check_document(extracted.document("a.eml"))
