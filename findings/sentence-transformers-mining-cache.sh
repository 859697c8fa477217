#!/usr/bin/env bash
# sentence-transformers 6.2.0: mine_hard_negatives(cache_folder=…) gives a model the vectors of another one.
#
# Expected: a cache of embeddings knows the model that made them. Seen: its key is the texts, the prompts and
# `model_card_data.base_model`, which is empty for a model of a local folder and the same for all models that were
# trained from one. The second round of mining, with the retriever that the first round trained, gets the negatives that
# the untrained one found, to the last of them, without a word; so does any other model beside it. Exit 1 if it changes.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -c scripts/constraints.txt torch==2.13.0 sentence-transformers==6.2.0 datasets==5.2.0
HF_HUB_OFFLINE=1 "$venv/bin/python" - "$venv" <<'PY' 2> "$venv/bars"
import random
import sys

import sentence_transformers
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import mine_hard_negatives
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

random.seed(0)
words = [f"word{number}" for number in range(200)]
tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(["[UNK]", *words])}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = Whitespace()
pairs = Dataset.from_dict(
    {name: [" ".join(random.choices(words, k=size)) for _ in range(50)] for name, size in (("query", 3), ("answer", 9))}
)


def saved_and_loaded(seed):
    torch.manual_seed(seed)
    folder = f"{sys.argv[1]}/model-{seed}"
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)]).save(folder)
    return SentenceTransformer(folder)


def negatives(model, cache=None):
    return mine_hard_negatives(pairs, model, num_negatives=1, cache_folder=cache, verbose=False)["negative"]


def same(ones, others):
    return sum(one == other for one, other in zip(ones, others, strict=True))


first, second = saved_and_loaded(1), saved_and_loaded(2)
own = negatives(second)
cached = [negatives(model, f"{sys.argv[1]}/cache") for model in (first, second)]
found = same(cached[0], negatives(first)), same(cached[1], own), same(*cached)
print("sentence-transformers", sentence_transformers.__version__, "- of 50 negatives, with a shared cache folder:")
print(f"first model: its own {found[0]}; second model: its own {found[1]}, the first model's {found[2]}")
sys.exit(0 if found[0] == found[2] == 50 and found[1] < 25 else 1)
PY
