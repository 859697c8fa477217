"""Encoders that give weights of very many dimensions."""
