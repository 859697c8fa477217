"""Ranking measures and the fusion of rankings: what a run is worth, and how several become one.

The measures are those of ir-measures; the conventions around them (ties, queries without hits, relevance
levels) are ours, because that is where published numbers part ways.
"""
