"""Training: heads learned on a collection's own text and judgments, and the gate that decides whether they are kept."""
