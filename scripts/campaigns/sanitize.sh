#!/usr/bin/env bash
# The core's tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of this checkout. Needs gcc's libasan.
# Extra arguments are the tests, as in: bash scripts/campaigns/sanitize.sh tests/core tests/text
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$checkout/.venv/bin/python}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git clone --quiet "$checkout" "$place/copy"
cd "$place/copy"
PYTHON=$python bash scripts/core.sh -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -O1 -g1"
# The interpreter frees nothing at its end, and hypothesis keeps what it found: leaks are not looked for.
export ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=$place/copy PYTHONMALLOC=malloc
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
    "$python" -m pytest -p no:cacheprovider "${@:-tests/core}"
