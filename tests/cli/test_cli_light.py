"""What commands load: `--help` only click, a BM25 search neither torch nor faiss. In processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "ir_measures"}

PROBE = """
import json, sys
from retrieve.cli import main
status = 0
try:
    main(json.loads(sys.argv[1]), prog_name="retrieve")
except SystemExit as end:
    status = end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(status)
"""


def loaded_by(home: Path, *arguments: object) -> set[str]:
    """Top-level modules in memory at the end of a command."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([str(argument) for argument in arguments])],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"RETRIEVE_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stderr.splitlines()[-1]))


def test_help_loads_click_and_the_standard_library(tmp_path: Path) -> None:
    bare = set(sys.stdlib_module_names) | loaded_by_python()
    for arguments in (["--help"], ["index", "--help"]):
        assert loaded_by(tmp_path, *arguments) - bare <= {"click", "retrieve"}


def loaded_by_python() -> set[str]:
    """What this installation loads whatever the program (path hooks of editable installs and the like)."""
    code = "import json, sys; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    return set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))


def test_help_is_quick() -> None:
    """The promise is .3 s; only a machine that is very busy takes longer, so the best of three counts, generously."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "retrieve", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 1.0


def test_bm25_loads_neither_torch_nor_faiss(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "a", "text": "carriers by air"}\n')
    assert not loaded_by(tmp_path, "index", "create", "laws", corpus, "--recipe", "bm25") & HEAVY
    assert not loaded_by(tmp_path, "search", "laws", "carriers", "--explain") & HEAVY
