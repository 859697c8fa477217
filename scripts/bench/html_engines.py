"""Engines that take the text out of HTML: words lost, false words, and megabytes a second of processor time.

Words are counted on pages made here, each of one kind that real pages are of, whose visible words are known; order does
not count. The walk was written with these kinds in view: its zeros say only that it does what it is for. Speed is
measured on those pages, many times over, and on the HTML files that Python and its packages bring, each engine in turn.
`python scripts/bench/html_engines.py --json`
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sysconfig
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from retrieve.corpora.html_page import html_text

PAGES: dict[str, tuple[str, str]] = {
    "inline tags in words": (
        "<p>un<b>load</b>ing of <i>ship</i>s, wo<wbr>rd<!-- c -->s</p>",
        "unloading of ships, words",
    ),
    "blocks without spaces": (
        "<h1>Lease</h1><p>Rent</p><ul><li>first<li>second</ul><div>end</div>",
        "Lease Rent first second end",
    ),
    "table": (
        "<table><tr><th>Year<th>Fee</tr><tr><td>2001</td><td>12</td></tr></table>",
        "Year Fee 2001 12",
    ),
    "form": (
        "<form><label>Name</label><input><select><option>Mr<option>Ms</select><button>Send</button>sent</form>",
        "Name Mr Ms Send sent",
    ),
    "scripts and styles": (
        "<head><title>T</title><style>p{color:red}</style></head><body>kept<script>var lost = '<p>lost</p>'</script>"
        " too<noscript>switch on</noscript><template><p>later</p></template></body>",
        "kept too",
    ),
    "joined pages": (
        "<html><body><p>first ruling</p></body></html>"
        "<html><head><title>2</title></head><body><p>second ruling</p></body></html>",
        "first ruling second ruling",
    ),
    "text outside of body": (
        "<html><div>letter head</div><body><p>ruling</p></body><p>annex</p></html>",
        "letter head ruling annex",
    ),
    "noscript never closed": (
        "<p>before</p><noscript><iframe src=a></iframe><noscript><iframe src=b></iframe></noscript><p>after</p>",
        "before after",
    ),
    "old entities": (
        "<p>&sect5 of the act, &copy2001 caf&eacute;s AT&T</p>",
        "§5 of the act, ©2001 cafés AT&T",
    ),
    "drawing": (
        "<p>See<svg><title>icon</title><text>north</text><text>south</text></svg>map</p>",
        "See north south map",
    ),
    "lines": (
        "<p>one<br>two<hr>three<br>four</p><pre>five\nsix</pre>",
        "one two three four five six",
    ),
    "windows-1252 called latin1": (
        "<meta charset=iso-8859-1><p>“quoted” – dash</p>",
        "“quoted” – dash",
    ),
}
CHARSETS = {"windows-1252 called latin1": "windows-1252"}


def ours(data: bytes) -> str:
    """`retrieve`."""
    return html_text(data, "page").text


def soup(data: bytes, separator: str) -> str:
    """BeautifulSoup over html.parser, its own text of the page."""
    from bs4 import BeautifulSoup

    return BeautifulSoup(data, "html.parser").get_text(separator)


def lxml_text(data: bytes) -> str:
    """lxml.html's `text_content`."""
    import lxml.html

    return str(lxml.html.document_fromstring(data).text_content())


def lexbor(data: bytes, separator: str) -> str:
    """selectolax's lexbor parser, its own text of the body."""
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(data, encoding=True).body
    return "" if body is None else body.text(separator=separator)


ENGINES: dict[str, tuple[str, Callable[[bytes], str]]] = {
    "retrieve": ("selectolax", ours),
    "BeautifulSoup html.parser, get_text('')": ("beautifulsoup4", lambda data: soup(data, "")),
    "BeautifulSoup html.parser, get_text(' ')": ("beautifulsoup4", lambda data: soup(data, " ")),
    "lxml.html, text_content()": ("lxml", lxml_text),
    "selectolax lexbor, text()": ("selectolax", lambda data: lexbor(data, "")),
    "selectolax lexbor, text(separator=' ')": ("selectolax", lambda data: lexbor(data, " ")),
}


def installed() -> dict[str, tuple[str, Callable[[bytes], str]]]:
    """The engines that are there."""
    there = {distribution.name for distribution in distributions()}
    return {name: engine for name, engine in ENGINES.items() if engine[0] in there}


def made() -> dict[str, bytes]:
    """The pages in the bytes in which a server would send them."""
    return {kind: page.encode(CHARSETS.get(kind, "utf-8")) for kind, (page, _) in PAGES.items()}


def shipped() -> list[bytes]:
    """HTML files of Python and of what is installed."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    paths = {path.resolve() for folder in folders for path in Path(folder).rglob("*.htm*") if path.is_file()}
    return [path.read_bytes() for path in sorted(paths)]


def judged(read: Callable[[bytes], str]) -> dict[str, Any]:
    """Words lost and false words on the pages made here, and the kinds on which there are any."""
    lost = false = 0
    kinds = []
    for kind, data in made().items():
        wanted, found = Counter(PAGES[kind][1].split()), Counter(read(data).split())
        less, more = (wanted - found).total(), (found - wanted).total()
        lost, false = lost + less, false + more
        kinds += [f"{kind} (-{less} +{more})"] if less or more else []
    return {"words_lost": lost, "false_words": false, "kinds": kinds}


def speed(pages: list[bytes], rounds: int) -> dict[str, list[float]]:
    """Megabytes a second of processor time, engine by engine in each round."""
    size = sum(map(len, pages)) / 1e6
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, (_, read) in installed().items():
            start = time.process_time()
            for page in pages:
                read(page)
            found.setdefault(name, []).append(size / (time.process_time() - start))
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="One JSON object, as always.")
    arguments = parser.parse_args()
    files = shipped()
    together = ("".join(page for kind, (page, _) in PAGES.items() if kind not in CHARSETS) * 20).encode()
    speeds = {"shipped": speed(files, arguments.rounds), "made": speed([together] * 5, arguments.rounds)}
    print(
        json.dumps(
            {
                "command": f"python scripts/bench/html_engines.py --rounds {arguments.rounds} --json",
                "machine": f"{platform.machine()}, Python {platform.python_version()}",
                "pages": len(PAGES),
                "words": sum(len(words.split()) for _, words in PAGES.values()),
                "shipped_files": len(files),
                "shipped_megabytes": round(sum(map(len, files)) / 1e6, 3),
                "engines": {
                    name: {
                        "package": f"{package} {version(package)}",
                        **judged(read),
                        "megabytes_per_second": {
                            which: {
                                "median": round(statistics.median(values[name]), 2),
                                "least": round(min(values[name]), 2),
                                "most": round(max(values[name]), 2),
                            }
                            for which, values in speeds.items()
                        },
                    }
                    for name, (package, read) in installed().items()
                },
            },
            ensure_ascii=False,
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
