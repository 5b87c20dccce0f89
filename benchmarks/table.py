"""What a benchmark found, as a markdown table."""

from collections.abc import Sequence

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One line: our figure, theirs where it is a comparison, the target, and whether that was met.

    detail: what helps to judge the figure, as the single rounds.
    """

    name: str
    ours: str
    target: str
    met: bool
    theirs: str = ""
    ratio: float | None = None
    detail: str = ""


HEADINGS = ("benchmark", "ours", "theirs", "ratio", "target", "met", "detail")


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table, the numbers to the right."""
    lines = [_line(HEADINGS), "|---|---:|---:|---:|---|---|---|"]
    lines += [
        _line(
            (
                row.name,
                row.ours,
                row.theirs,
                "" if row.ratio is None else f"{row.ratio:.2f}",
                row.target,
                "yes" if row.met else "**no**",
                row.detail,
            )
        )
        for row in rows
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
