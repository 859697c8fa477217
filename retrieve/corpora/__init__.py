"""Readers of collections: every supported format becomes the same `Document`s, `Query`s and judgments.

Empty on purpose: callers import from `retrieve.corpora.open`, `.queries`, `.dataset` and `.check`, so that nothing is
loaded that is not used.
"""
