"""Other engines on the same collection, beside ours: what `retrieve bench --peers` compares.

`registry` says which peers there are, for which view, and what installs each; every other module named after a package
is one peer. `contest` runs them, each in a process of its own (`process`), in turn with `ours`.
"""
