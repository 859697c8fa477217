"""Other people's frameworks over an open index: one module each, which imports its framework, and an extra of its name.

A bridge translates nouns and arguments. What a framework asks and an index cannot do is refused by name.
"""
