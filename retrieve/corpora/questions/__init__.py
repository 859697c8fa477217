"""Multiple-choice questions in their original schemas, and in ours: every format becomes the same `Question`s."""
