"""Offsets of passages point into the text that a reader took out of a file, whatever kind of file it was."""

from __future__ import annotations

from pathlib import Path

from word_files import docx, paragraph, run

from retrieve import Index
from retrieve.corpora.open import open_corpus


def test_passages_are_parts_of_the_text_of_their_file(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    words = " ".join(f"wörd{number}" for number in range(40))
    (folder / "a.html").write_text(f"<title>T</title><p>{words}<p>&sect5 {words}", encoding="utf-8")
    (folder / "b.eml").write_text(f"Subject: s\n\n{words}\n\n{words}", encoding="utf-8")
    (folder / "c.txt").write_text(words, encoding="utf-16")
    docx(folder / "d.docx", paragraph(run(words)) + paragraph(run("end")))
    settings = ("passages.mode=window", "passages.size=16", "passages.overlap=4")
    with Index.create(tmp_path / "a.index", "bm25", settings) as index:
        with index.writer() as writer:
            writer.add(open_corpus(folder))
        for document in open_corpus(folder):
            passages = index.passages(document.id)
            assert len(passages) > 2
            covered = set()
            for passage in passages:
                assert passage.text == document.text[passage.start : passage.end]
                covered.update(range(passage.start, passage.end))
            missed = {character for place, character in enumerate(document.text) if place not in covered}
            assert not "".join(missed).strip()
