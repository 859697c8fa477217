"""Word files of a few XML parts, for tests."""

from __future__ import annotations

import zipfile
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMES = (
    f'xmlns:w="{MAIN}" xmlns:r="{RELATIONS}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" xmlns:wps="urn:shape" xmlns:v="urn:old" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:dgm="urn:diagram"'
)


def docx(path: Path, body: str, **parts: str) -> Path:
    """A file with this body, and parts by what they are (`footnotes`, `header1`, …), which are their relations' ids."""
    related = "".join(
        f'<Relationship Id="{name}" Type="{RELATIONS}/{name.rstrip("0123456789")}" Target="{name}.xml"/>'
        for name in parts
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "_rels/.rels",
            _relations(
                f'<Relationship Id="a" Type="{RELATIONS}/officeDocument" Target="/word/document.xml"/>'
            ),
        )
        file.writestr("word/document.xml", f"<w:document {NAMES}><w:body>{body}</w:body></w:document>")
        file.writestr("word/_rels/document.xml.rels", _relations(related))
        for name, inner in parts.items():
            kind = name.rstrip("0123456789")
            tag = {"header": "hdr", "footer": "ftr", "diagramData": "dataModel"}.get(kind, kind)
            file.writestr(f"word/{name}.xml", f"<w:{tag} {NAMES}>{inner}</w:{tag}>")
    return path


def _relations(inner: str) -> str:
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>'


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(runs)}</w:p>"
