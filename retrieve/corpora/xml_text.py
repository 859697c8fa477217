"""The text in an XML element, where nobody says which names are paragraphs.

Several elements side by side with no text between them (`<body><p>…</p><p>…</p></body>`) have lines of their own;
beside text (`the <b>fir</b>st word`) an element is part of the line and cuts no word.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from retrieve.corpora.extracted import tidied


def element_text(element: Element) -> str:
    """All text of the element in order. A stack, not recursion: nesting comes from the file."""
    pieces: list[str] = []
    stack: list[Element | str] = [element]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        apart = "\n" if _is_block(item) else ""
        inner: list[Element | str] = [_one_line(item.text), apart]
        for child in item:
            inner += [child, _one_line(child.tail), apart]
        stack.extend(reversed(inner))
    return tidied(pieces)


def _is_block(element: Element) -> bool:
    texts = (element.text, *(child.tail for child in element))
    return len(element) > 1 and not any(text and text.strip() for text in texts)


def _one_line(text: str | None) -> str:
    return (text or "").replace("\n", " ")
