#!/usr/bin/env bash
# model2vec 0.10.0: of a text with columns or indents it reads a fraction of the `max_length` tokens that it promises.
#
# max_length=512 is the default of encode, a "maximum sequence length (in tokens)". Expected: the mean over the
# first 512 tokens. Seen: before it is tokenised a text is cut to 512 times the median length of the vocabulary's tokens, in
# characters, and those that are no token count too. English prose keeps its tokens; a table as `pdftotext -layout`
# prints it, code, or a form filled with blanks loses most of them, and a vocabulary of the user's own, in which long words
# are the frequent ones, loses them in prose. Nothing says so; max_length=None reads all. Exit 1 if that changes.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet model2vec==0.10.0 numpy==2.4.6 tokenizers==0.23.3
"$venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer, models, pre_tokenizers

random = np.random.default_rng(0)
letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
words = sorted({"".join(random.choice(letters, 6)) for _ in range(500)})
vocabulary = {word: row for row, word in enumerate(["[UNK]", "[PAD]", *words])}
tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
vectors = random.standard_normal((len(vocabulary), 16)).astype(np.float32)
model = StaticModel(vectors, tokenizer, normalize=False)
drawn = [str(word) for word in random.choice(words, 600)]


def read(text, **options):
    """How many of the first words have the mean that encode gives."""
    found = model.encode(text, **options)
    means = np.cumsum(vectors[[vocabulary[word] for word in drawn]], axis=0) / np.arange(1, 601)[:, None]
    return int(np.abs(means - found).max(axis=1).argmin()) + 1


table = "\n".join("".join(word.ljust(20) for word in drawn[row : row + 4]) for row in range(0, 600, 4))
print("model2vec", version("model2vec"), "- of 600 words in four columns of 20 characters are read:")
figures = {"default": read(table), "max_length=512": read(table, max_length=512), "max_length=None": read(table, max_length=None)}
print(figures, "- one blank between them:", read(" ".join(drawn)))
sys.exit(0 if figures["default"] == figures["max_length=512"] < 200 and figures["max_length=None"] == 600 else 1)
PY
