"""End-to-end training: the encoder and the aggregator of a network preset, together, through transformers' `Trainer`.

Passages of a whole batch of documents are encoded packed: by length, a budget of tokens at a time, none of them
padding, and encoded again for the backward pass, so that memory does not grow with a document.
"""
