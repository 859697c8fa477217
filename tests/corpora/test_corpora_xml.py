"""XML: topics of any track, documents by a mapping, and what is refused before it does harm."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora import xml_events
from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.open import open_corpus
from retrieve.corpora.queries import read_queries
from retrieve.corpora.xml_mapping import XmlMapping
from retrieve.errors import InputError, UsageError
from retrieve.types import Document


def topics(folder: Path, text: str | bytes, *fields: str) -> dict[str, str]:
    path = folder / "topics.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {query.id: query.text for query in read_queries(path, options=ReadOptions(topic_fields=fields))}


def documents(folder: Path, text: str, mapping: str, **options: int | bool) -> list[Document]:
    path = folder / "some.xml"
    path.write_text(text, encoding="utf-8")
    return list(open_corpus(path, options=ReadOptions(xml=XmlMapping.parsed(mapping), **options)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "fields", "wanted"),
    [
        (
            '<topics task="T"><topic number="1"><query>rent <b>arr</b>ears</query><question>who</question>'
            "</topic></topics>",
            (),
            {"1": "rent arrears"},
        ),
        (
            '<?xml version="1.0"?>\n<topics>\n<topic number="9">\nrent\narrears\n</topic></topics>',
            (),
            {"9": "rent arrears"},
        ),
        ("<topics><topic><number>1</number><query>rent</query></topic></topics>", (), {"1": "rent"}),
        ("<topics><topic><num>Number: 1</num><title>Topic: rent</title></topic></topics>", (), {"1": "rent"}),
        (
            '<topics><topic number="1" type="x"><description>d</description><summary>s</summary></topic></topics>',
            ("Summary",),
            {"1": "s"},
        ),
        (
            '<topics><topic number="1"><disease>glioma</disease><gene>BRAF</gene></topic>'
            '<topic number="2"><disease>asthma</disease></topic></topics>',
            ("disease", "gene"),
            {"1": "glioma BRAF", "2": "asthma"},
        ),
        ('<queries><query id="q">rent</query></queries>', (), {"q": "rent"}),
        (
            "<parameters><index>x</index><query><number>1</number><text>rent</text></query></parameters>",
            (),
            {"1": "rent"},
        ),
        ('<topics><top lang="en"><num>1</num><title>rent</title></top></topics>', (), {"1": "rent"}),
        ('<a:topics xmlns:a="u"><a:topic a:id="1">rent</a:topic></a:topics>', (), {"1": "rent"}),
        ('<need id="1"/>', (), None),
        ('<needs><need id="1">rent</need><need id="2">fee</need></needs>', (), {"1": "rent", "2": "fee"}),
        ('<!DOCTYPE t SYSTEM "t.dtd"><topics><topic id="1">caf&eacute;</topic></topics>', (), {"1": "café"}),
    ],
)
def test_topics_in_xml(
    text: str, fields: tuple[str, ...], wanted: dict[str, str] | None, tmp_path: Path
) -> None:
    if wanted is None:
        with pytest.raises(InputError, match="is XML, a <need> with no element, and no topics"):
            topics(tmp_path, text, *fields)
    else:
        assert topics(tmp_path, text, *fields) == wanted


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 16])
@pytest.mark.parametrize(
    "between", ["", "\n", "\n\n <!-- a <topic> of old -->\n", '\n<?xml version="1.0"?><!DOCTYPE topic>\n']
)
def test_topics_without_a_root_are_all_read(
    between: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml_events, "_CHUNK", chunk)
    made = [f'<topic\n id="{number}"><query>rent {number}</query></topic>' for number in range(3)]
    assert topics(tmp_path, between.join(made)) == {str(number): f"rent {number}" for number in range(3)}


def test_lines_and_columns_are_counted_over_all_roots(tmp_path: Path) -> None:
    first = '<topic id="1">\nrent</topic>'
    with pytest.raises(InputError, match="xml:4: query '2' has no text"):
        topics(tmp_path, f'{first}\n\n<topic id="2"/>')
    for further, place in (
        (' <topic id="2">a & b</topic>', r"2: .* column 31 "),
        ("\n word", r"3: .* column 2 \(junk after"),
        ("\n<topic", r"3: .* column 1 \(junk after"),
    ):
        with pytest.raises(InputError, match=f"xml:{place}"):
            topics(tmp_path, first + further)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp932", "iso-8859-1"])
def test_topics_in_the_encoding_that_they_declare(encoding: str, tmp_path: Path) -> None:
    word = "größe" if encoding == "iso-8859-1" else "日本"
    declared = "utf-16" if encoding == "utf-16" else encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?><topics><topic id="1">{word}</topic></topics>'
    assert topics(tmp_path, text.encode(encoding)) == {"1": word}


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        (
            '<t><topic id="1"><a>x</a><b>y</b></topic></t>',
            (),
            "XML topics have the fields a, b: .*--topic-fields a,b",
        ),
        ('<t><topic id="1"><a>x</a></topic></t>', ("b",), "no XML topic has the field 'b'; they have a"),
        ("<t>\n<topic><query>x</query></topic></t>", (), r"xml:2: the XML <topic> has no id"),
        ('<t><topic id="1"/></t>', (), "query '1' has no text"),
        ('<t>\n<topic id="1">a & b</topic></t>', (), r"xml:2: is not well-formed XML at column \d+"),
        (
            '<t>\n<topic id="1"><title>x</title><title>y</title></topic></t>',
            (),
            r"xml:2: several <title> in one",
        ),
        (
            '<t>\n<topic id="1"><query>x</query><query>y</query><d>z</d></topic></t>',
            (),
            "--topic-fields query, which",
        ),
        ("<rss><channel/><item/></rss>", (), "is XML, a <rss> with <channel>, <item>, and no topics"),
        ('<?xml version="1.0" encoding="klingon"?><t/>', (), "declares the encoding 'klingon'"),
        (b'<?xml version="1.0"?><t>\xff</t>', (), "after byte 24: not utf-8"),
        ("1\trent", ("title",), "--topic-fields is for TREC topics"),
    ],
)
def test_what_is_wrong_with_topics_is_said_of_xml(
    text: str | bytes, fields: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        topics(tmp_path, text, *fields)


def test_fields_of_sgml_topics_are_chosen_too(tmp_path: Path) -> None:
    text = (
        "<top>\n<num> Number: 3\n<title> rent\n<desc> Description:\nwho\npays\n<narr> Narrative: x\n</top>\n"
    )
    assert topics(tmp_path, text) == {"3": "rent"}
    assert topics(tmp_path, text, "title", "desc") == {"3": "rent who pays"}
    assert topics(tmp_path, "<top><num>3</num><query>rent</query></top>") == {"3": "rent"}
    with pytest.raises(InputError, match="has no <summ>, it has <num>, <title>, <desc>, <narr>"):
        topics(tmp_path, text, "summ")


FEED = """<feed xmlns:dc="u"><title>All</title>
<entry no="1"><dc:title>One
 title</dc:title><body><p>Fir<b>st</b> line.</p><p>Second</p></body><note>n</note></entry>
<entry no="2"><body/></entry></feed>"""


def test_documents_by_a_mapping(tmp_path: Path) -> None:
    assert documents(tmp_path, FEED, "record=entry,id=@no,text=body,text=note,title=dc:title") == [
        Document("1", "First line.\nSecond\nn", "One title"),
        Document("2", "", metadata={"no_text": "markup only"}),
    ]
    assert documents(tmp_path, FEED, "record=feed,id=title,text=entry/body/p") == [
        Document("All", "First line.\nSecond")
    ]
    assert [each.text for each in documents(tmp_path, FEED, "record=feed/entry,id=@no,text=.")] == [
        "One title\nFirst line.\nSecond\nn",
        "",
    ]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("record=article,id=@no,text=body", r"has no <article> in its XML, it holds .*2 <entry>"),
        ("record=entry,id=note,text=body", r"some\.xml:4: 0 texts at note in this <entry>"),
        ("record=entry,id=body/p,text=body", r"some\.xml:2: 2 texts at body/p"),
    ],
)
def test_a_mapping_that_does_not_fit(mapping: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        documents(tmp_path, FEED, mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        "",
        "record=a,id=b",
        "record=a,id=b,text=c,record=d",
        "record=a,id=b,text=c[1]",
        "record=@a,id=b,text=c",
        "x=y",
    ],
)
def test_a_mapping_that_is_none(mapping: str) -> None:
    with pytest.raises(UsageError, match=r"wanted record=ELEMENT|keep one of them"):
        XmlMapping.parsed(mapping)


def test_unexplained_xml_is_refused_with_the_mapping_to_type(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(FEED)
    wanted = r"feed\.xml: is XML, a <feed> with several <entry>, .* --xml record=entry,id=@no,text=body,title=title"
    with pytest.raises(InputError, match=wanted):
        list(open_corpus(path))
    with pytest.raises(InputError, match=wanted):
        list(open_corpus(tmp_path))
    path.write_text("<html xmlns='x'><body>page</body></html>")
    with pytest.raises(InputError, match=r"is an HTML page in XML: call it \.xhtml"):
        list(open_corpus(path))


def test_xml_beside_texts_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "feed.xml").write_text(FEED)
    with caplog.at_level(logging.WARNING, "retrieve"):
        assert [document.id for document in open_corpus(tmp_path)] == ["a.txt"]
    assert "1 entry is not read: 1 .xml (--xml says how to read it)" in caplog.text
    options = ReadOptions(xml=XmlMapping.parsed("record=entry,id=@no,text=body"))
    assert [document.id for document in open_corpus(tmp_path, options=options)] == ["1", "2"]
    with pytest.raises(UsageError, match="--xml is for XML, and --format says jsonl"):
        open_corpus(tmp_path, format="jsonl", options=options)
    with pytest.raises(UsageError, match="--xml does not apply to python:"):
        open_corpus("python:", options=options)


def test_trec_documents_are_told_by_their_elements(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        "<?xml version='1.0'?><!-- c --><ROOT><DOC><DOCNO>d</DOCNO><TEXT>a & b</TEXT></DOC></ROOT>"
    )
    assert list(open_corpus(path)) == [Document("d", "a & b")]
    path.write_text("<add><doc><field name='id'>1</field></doc></add>")
    with pytest.raises(InputError, match="is XML, a <add>"):
        list(open_corpus(path))


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "word">',
        '<!ENTITY a SYSTEM "other.txt">',
        '<!ENTITY % a "word">',
        '<!ENTITY a "b"><!ENTITY c "&a;">',
    ],
)
def test_entities_of_a_file_are_refused_before_anything_is_read(declaration: str, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("harmless")
    text = f"<!DOCTYPE t [{declaration}]>\n<t><d id='1'>&a;</d></t>"
    with pytest.raises(InputError, match="declares the entity 'a': XML with entities of its own is not read"):
        documents(tmp_path, text, "record=d,id=@id,text=.")
    with pytest.raises(InputError, match="declares the entity"):
        topics(tmp_path, text)


def test_long_records_are_bounded(tmp_path: Path) -> None:
    text = f"<t><d id='1'>{'x' * 3_000}<e/></d><d id='2'>y</d></t>"
    assert [
        each.id for each in documents(tmp_path, text, "record=d,id=@id,text=.", skip_bad=True, max_line=2_000)
    ] == ["2"]
    endless = f"<t><d id='{'1' * 300_000}"
    with pytest.raises(InputError, match="longer than 2,000 bytes"):
        documents(tmp_path, endless, "record=d,id=@id,text=.", max_line=2_000)


def test_a_damaged_end_keeps_what_is_before_it_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "<t><d id='1'>one</d>\n<d id='2'>two"
    with caplog.at_level(logging.WARNING, "retrieve"):
        found = documents(tmp_path, text, "record=d,id=@id,text=.", skip_bad=True)
    assert found == [Document("1", "one")]
    assert "some.xml:2: is not well-formed XML" in caplog.text


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(
        st.lists(st.sampled_from(["a", "b ", "<b>c</b>", "<i><b>d</b></i>", "&lt;", " "]), max_size=5),
        min_size=2,
        max_size=4,
    )
)
def test_words_of_a_line_are_whole_and_lines_stay_apart(
    lines: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    inner = "".join(f"<p>x{''.join(pieces)}</p>" for pieces in lines)
    folder = tmp_path_factory.mktemp("xml")
    (document,) = documents(folder, f"<t><d id='1'>{inner}</d></t>", "record=d,id=@id,text=.")
    plain = ["x" + "".join(pieces) for pieces in lines]
    for tag in ("<b>", "</b>", "<i>", "</i>"):
        plain = [line.replace(tag, "") for line in plain]
    assert document.text.split("\n") == [" ".join(line.replace("&lt;", "<").split()) for line in plain]


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=80)
    | st.text("<>!?-/&;'\"= ab[]", max_size=60).map(lambda text: f"<{text}".encode())
)
def test_random_markup_never_raises_anything_else(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("random") / "a.xml"
    path.write_bytes(data)
    for options in (ReadOptions(), ReadOptions(xml=XmlMapping.parsed("record=a,id=@a,text=."))):
        try:
            list(open_corpus(path, options=options))
        except InputError as error:
            assert error.where.startswith(str(path))
    try:
        read_queries(path)
    except InputError as error:
        assert error.where.startswith(str(path))
