#!/usr/bin/env bash
# Builds a wheel, installs it in a new virtual environment and runs the demo from an empty folder:
# what works only inside a checkout (recipes, paths) is found out here.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" wheel --quiet --no-deps -w "$place/wheels" "$checkout"
wheel=$(echo "$place"/wheels/retrieve_engine-*.whl)
packed=$("$place/venv/bin/python" -m zipfile -l "$wheel")
for file in report/templates/{page.html,blocks.html,style.css} recipes/bm25.toml classify/presets/mean.toml; do
    grep -q "^retrieve/$file " <<<"$packed" || { echo "the wheel has no retrieve/$file" >&2; exit 1; }
done
"$place/venv/bin/pip" install --quiet -c "$checkout/scripts/constraints.txt" "$wheel[cpu,offline]"
mkdir "$place/empty"
cd "$place/empty"
export HF_HUB_OFFLINE=1 RETRIEVE_HOME="$place/home"
"$place/venv/bin/retrieve" demo
