"""Names of the files of a converted model."""

MODEL, HEAD = "model.xml", "head.xml"
