"""The index folder: manifest, immutable segments, one writer, any number of readers, merge and verify."""
