#!/usr/bin/env bash
# sentence-transformers 6.2.0: encode_document and encode_query leave out the one prompt that a model folder names.
#
# The docstring: encode_document is encode but that it takes the first available of "document", "passage", "corpus".
# Expected: a folder that names "passage" alone has documents encoded with it, and one with a default_prompt_name has
# that applied, as encode does. Seen: neither, since each model is given an empty "query" and "document" before its
# folder is read, and the empty one is found first. Vectors are worse and nothing says so. Exit 1 if that changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pinned="torch==2.13.0 sentence-transformers==6.2.0 transformers==5.24.0"
"$folder/venv/bin/pip" install --quiet -c scripts/constraints.txt $pinned
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder/model" <<'PY'
import json, pathlib, sys
import numpy as np, sentence_transformers, torch, transformers

folder = pathlib.Path(sys.argv[1])
folder.mkdir()
(folder / "vocab.txt").write_text("\n".join("[PAD] [UNK] [CLS] [SEP] [MASK] passage : cats sit".split()))
transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
torch.manual_seed(0)
size = dict(vocab_size=9, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
transformers.BertModel(transformers.BertConfig(**size)).save_pretrained(folder)
sentence_transformers.SentenceTransformer(str(folder), device="cpu").save(str(folder))
print("sentence-transformers", sentence_transformers.__version__)
seen = []
for named in ({"prompts": {"passage": "passage: "}}, {"prompts": {"all": "passage: "}, "default_prompt_name": "all"}):
    (folder / "config_sentence_transformers.json").write_text(json.dumps(named))
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    wanted, bare = model.encode("passage: cats sit", prompt=""), model.encode("cats sit", prompt="")
    for call in ("encode_document", "encode_query", "encode"):
        got = getattr(model, call)("cats sit")
        seen.append("with" if np.allclose(got, wanted, atol=1e-5) else "without" * np.allclose(got, bare, atol=1e-5))
        print(named, call, seen[-1], "its prompt")
sys.exit(0 if seen == ["without"] * 5 + ["with"] else 1)
PY
