"""Documents → passages → vectors or token states, by a recipe: what search, classification and training stand on.

Needs no index, no view and no folder; vectors go through the cache of this machine.
"""
