"""What `retrieve evaluate --as TOOL` prints: the tool's figures beside ours, and the conventions that moved them."""

from __future__ import annotations

import logging

from retrieve.cli.output import figure, print_json, print_queries, print_table
from retrieve.measures.conventions.imitate import Imitation, Moved

_log = logging.getLogger("retrieve")

_NOTHING = 5e-13
"""Less than this is rounding in sums of another order."""


def print_imitation(found: Imitation, *, run: str, qrels: str, per_query: bool, as_json: bool) -> None:
    """A row for each measure, or each query's values, or one object; on standard error what it is of."""
    if as_json:
        print_json(
            {
                **found.means,
                "as": found.tool,
                "version": found.version,
                "queries": found.queries,
                "ours": found.ours,
                "moved": {name: [one._asdict() for one in moved] for name, moved in found.moved.items()},
                "remarks": found.remarks,
                "run": run,
                "qrels": qrels,
                **({"per_query": found.per_query} if per_query else {}),
            }
        )
        return
    if per_query:
        print_queries(found.per_query, found.means)
    else:
        rows = [
            (
                name,
                figure(value),
                figure(found.ours[name]),
                f"{value - found.ours[name]:+.4f}",
                str(found.queries[name]),
                moved_by(found.moved[name]),
            )
            for name, value in found.means.items()
        ]
        print_table(("measure", found.tool, "ours", "difference", "queries", "moved by"), rows)
    _log.info("as %s %s", found.tool, found.version)
    for remark in found.remarks:
        _log.info("%s", remark)


def moved_by(moved: list[Moved]) -> str:
    """The conventions that moved a figure, with what each added."""
    parts = [f"{one.said} {one.difference:+.4f}" for one in moved if abs(one.difference) > _NOTHING]
    return "; ".join(parts) or "nothing"
