"""Records to one self-contained HTML page that opens from the disk without a network; knows no index and no model.

Whoever reports (a training, an evaluation, a search) builds a `Page` of plain records, and `write_page` writes it.
"""
