"""Classification of long documents: cut once, encode once, aggregate, calibrate, explain.

A document becomes a ragged list of passages (`PassageEncoder` cuts and encodes them, through the vector cache), an
aggregator turns their vectors or token states into label scores, and `Classifier` puts label names, calibrated
probabilities, thresholds and evidence around any preset. `retrieve.Classifier` and `retrieve.Regressor` are its face.
"""
