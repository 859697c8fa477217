"""Readers: how well a document and an option answer a question, as a score g that the options' softmax compares."""
