#!/usr/bin/env bash
# transformers 5.24.0: a model folder without its vocabulary is loaded, with a tokenizer that knows five tokens.
#
# Such folders are common: a Trainer that was not given the tokenizer writes checkpoints without one. Expected: an error
# that names what is missing; transformers 4.57.6 raises one. Seen: AutoTokenizer makes a tokenizer of the special tokens alone, so
# every word is [UNK], and all that stands on it goes on: sentence-transformers 6.2.0 gives all texts of as many words the
# same vector, a CrossEncoder and a pipeline all the same score. Nothing is logged. `BertTokenizer(vocab_file=…)`, the call
# of transformers 4, comes to the same: the argument is `vocab` now, and the old name is taken and not used. Exit 1 if that
# changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/five"
"$folder/five/bin/pip" install --quiet -c scripts/constraints.txt torch==2.13.0 transformers==5.24.0 accelerate==1.15.0 \
    sentence-transformers==6.2.0
python3 -m venv "$folder/four"
"$folder/four/bin/pip" install --quiet transformers==4.57.6
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
"$folder/five/bin/python" - "$folder" <<'PY'
import os
import sys

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertTokenizer, Trainer, TrainingArguments

torch.manual_seed(0)
config = BertConfig(vocab_size=1000, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
rows = [{"input_ids": [2, 5 + label, 6, 3], "attention_mask": [1] * 4, "labels": label} for label in (0, 1)]
arguments = TrainingArguments(sys.argv[1] + "/run", max_steps=1, save_steps=1, report_to=[], use_cpu=True, disable_tqdm=True)
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=rows)
trainer.remove_callback(transformers.PrinterCallback)
trainer.train()
checkpoint = sys.argv[1] + "/run/checkpoint-1"

texts = ["the appeal was dismissed", "bananas ripen in winter"]
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
vectors = SentenceTransformer(checkpoint, device="cpu").encode(texts)
scores = CrossEncoder(checkpoint, num_labels=2, device="cpu").predict([("who won", text) for text in texts])
with open(sys.argv[1] + "/vocab.txt", "w") as file:
    file.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "appeal", "was", "dismissed"]))
old = BertTokenizer(vocab_file=sys.argv[1] + "/vocab.txt").tokenize(texts[0])
new = BertTokenizer(vocab=sys.argv[1] + "/vocab.txt").tokenize(texts[0])
print("transformers", transformers.__version__, "- in the checkpoint:", sorted(os.listdir(checkpoint)))
print(len(tokenizer), "tokens are known;", texts[0], "->", tokenizer.tokenize(texts[0]))
alike = {"vectors": np.allclose(*vectors, atol=1e-6), "scores": np.allclose(*scores, atol=1e-6)}
print("of two texts without a common word, equal are", alike)
print("BertTokenizer(vocab_file=...):", old, "- BertTokenizer(vocab=...):", new)
sys.exit(0 if all(alike.values()) and len(tokenizer) == 5 and old == ["[UNK]"] * 4 and new == texts[0].split() else 1)
PY
"$folder/four/bin/python" - "$folder/run/checkpoint-1" <<'PY'
import sys

import transformers

try:
    transformers.AutoTokenizer.from_pretrained(sys.argv[1])
except (OSError, ImportError, TypeError) as error:
    print("transformers", transformers.__version__, "refuses it:", type(error).__name__)
    sys.exit(0)
print("transformers", transformers.__version__, "loads it, too")
sys.exit(1)
PY
