#!/usr/bin/env bash
# PyStemmer 2.2, 3.0 and 3.1: one name, one call, three algorithms, and nothing says so when words are stemmed.
#
# Expected: an update that keeps the API keeps the stems, or `version()` tells the algorithms apart. Seen: the stems of
# `organization`, `university` (3.0) and `interval` (3.1) are others, Dutch is another algorithm, and `version()` is
# 2.0.1 for 2.2.0.3 and 3.0.0 alike. Who indexed with one finds nothing of such words with another. Exit 1 if it changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for wanted in wordfreq==3.1.1 PyStemmer==2.2.0.3 PyStemmer==3.0.0 PyStemmer==3.1.0; do
  "$folder/venv/bin/pip" install --quiet -c scripts/constraints.txt --target "$folder/$wanted" "$wanted"
done
cat > "$folder/stems.py" <<'PY'
import json, sys, Stemmer, wordfreq

codes = dict(english="en", dutch="nl", finnish="fi", french="fr", german="de", italian="it", lithuanian="lt",
             romanian="ro", russian="ru", spanish="es", swedish="sv", turkish="tr")
stems = {name: Stemmer.Stemmer(name).stemWords(wordfreq.top_n_list(code, 20_000)) for name, code in codes.items()}
words = Stemmer.Stemmer("english").stemWords("organization university interval".split())
print(Stemmer.version(), words, file=sys.stderr)
json.dump(stems, sys.stdout)
PY
for release in 2.2.0.3 3.0.0 3.1.0; do
  echo -n "PyStemmer $release calls itself "
  export PYTHONPATH="$folder/PyStemmer==$release:$folder/wordfreq==3.1.1"
  "$folder/venv/bin/python" "$folder/stems.py" > "$folder/$release"
done
python3 - "$folder" <<'PY'
import json, sys

old, new, newest = (json.load(open(f"{sys.argv[1]}/{release}")) for release in ("2.2.0.3", "3.0.0", "3.1.0"))
differ = {name: [sum(map(str.__ne__, a[name], b[name])) for a, b in ((old, new), (new, newest))] for name in old}
print("other stems of the 20,000 commonest words, 2.2 to 3.0 and 3.0 to 3.1:", differ)
expected = dict(english=[29, 8], dutch=[7840, 0], finnish=[0, 11], french=[39, 0], german=[525, 26], italian=[1, 376],
                lithuanian=[0, 42], romanian=[731, 0], russian=[0, 0], spanish=[10, 0], swedish=[293, 0],
                turkish=[331, 0])
sys.exit(0 if differ == expected else 1)
PY
