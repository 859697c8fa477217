"""Records to one self-contained HTML page that opens from the disk without a network; knows no index and no model."""
