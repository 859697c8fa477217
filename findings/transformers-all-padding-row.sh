#!/usr/bin/env bash
# transformers 5.24.0 with torch 2.13.0: a row of nothing but padding is another vector under "eager" and under "sdpa".
#
# Hierarchical classifiers (LexGLUE's 64 x 128 grid) encode rows without a token, whose vectors then enter a maximum or an
# attention over rows. Expected: the choice of attention's implementation changes nothing beyond rounding, as it does for
# every row with a token. Seen: eager adds the least float to all scores and so attends to all padding alike, sdpa gives
# such a row no attention at all (zeros). A published model scored under the other implementation, which is the default
# since, gives other predictions, and nothing says so. Exit 1 if that changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c scripts/constraints.txt torch==2.13.0 transformers==5.24.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PY'
import sys
import torch, transformers

torch.manual_seed(0)
size = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
model = transformers.BertModel(transformers.BertConfig(**size, initializer_range=0.2)).eval()
ids, mask = torch.tensor([[2, 7, 9, 3], [0, 0, 0, 0]]), torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]])
first = {}
for kind in ("eager", "sdpa"):
    model.set_attn_implementation(kind)
    with torch.no_grad():
        first[kind] = model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
apart = (first["eager"] - first["sdpa"]).abs().amax(1)
print("transformers", transformers.__version__, "torch", torch.__version__, "default:", end=" ")
print(transformers.BertModel(transformers.BertConfig(**size)).config._attn_implementation)
print("greatest difference of the first token's state: four tokens %.1e, all padding %.2f" % tuple(apart.tolist()))
sys.exit(0 if apart[0] < 1e-4 and apart[1] > 0.05 else 1)
PY
