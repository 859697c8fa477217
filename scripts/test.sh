#!/usr/bin/env bash
# Sets up .venv in this checkout and passes every check: ruff, mypy, import-linter, pytest.
# Extra arguments go to pytest, as in: bash scripts/test.sh tests/text
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet -c scripts/constraints.txt -e '.[dev]'
export HF_HUB_OFFLINE=1
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/lint-imports
.venv/bin/python -m pytest "$@"
