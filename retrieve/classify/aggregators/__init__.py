"""Aggregators: the rows of each document to its label scores. One module of torch each, chosen by name in a preset."""
