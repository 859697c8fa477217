#!/usr/bin/env bash
# Compiles the core anew in place, after a change of its sources; cmake and ninja have to be there. Arguments are cmake's.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-$PWD/.venv/bin/python}
"$python" -m pip install --quiet "nanobind>=2.4"
cmake -S retrieve/_core -B build/core -G Ninja -DSKBUILD_STATE=editable -DPython_EXECUTABLE="$python" \
    -Dnanobind_DIR="$("$python" -m nanobind --cmake_dir)" "$@" >/dev/null
cmake --build build/core
