"""Labelled collections in their original schemas, and what an analyst has: files with labels beside them."""
