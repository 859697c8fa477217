"""Models run, and trained, by torch."""
