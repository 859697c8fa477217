"""From text to what is indexed: analyzers (words and terms), boundaries, and passages.

Nothing here knows a file, a vector or a view. Callers import from the modules, so that this package costs nothing
until it is used.
"""
