"""Text to vectors, and pairs of texts to scores. Nothing is imported here: `load.py` opens an encoder without torch,
which is loaded by the first text that is encoded, so cutting passages and checking a fingerprint stay cheap.
"""
