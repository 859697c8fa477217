"""Encoders that give one vector for a text."""
