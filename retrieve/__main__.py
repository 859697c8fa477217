"""`python -m retrieve` is the command `retrieve`, for where the script is not on the path."""

from __future__ import annotations

from retrieve.cli import main

if __name__ == "__main__":
    main(prog_name="retrieve")
