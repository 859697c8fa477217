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
# A process for each core, which then computes on that one: tests wait for no neighbour's threads.
export OMP_NUM_THREADS=1
.venv/bin/python -m pytest -n auto --dist worksteal "$@"
