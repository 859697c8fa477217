"""Ranking measures and the fusion of rankings: what a run is worth, and how several become one.

The measures are those of ir-measures; the conventions around them (ties, queries without hits, relevance
levels) are ours, because that is where published numbers part ways.
"""

DEFAULT_MEASURES = ("nDCG@10", "R@100", "AP", "RR@10")
"""What is measured where nothing else was asked for."""
